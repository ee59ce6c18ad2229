"""Other versions of a runtime than the installed one: an environment for each, made once because it was asked for.

What a worker does in such an environment is not here, but in the adapters and in the harness.
"""
