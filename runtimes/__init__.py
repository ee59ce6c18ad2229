"""Adapters: one small file per runtime, from a model file to a session that runs tensors.

An adapter knows nothing of timing or reports. Other packages add runtimes by entry point, group `crossrt.runtimes`.
"""
