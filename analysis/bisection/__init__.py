"""Which release of a runtime changed the time or the answers of a model: what is tried next, and what was found.

Nothing is measured here: that is the harness's.
"""
