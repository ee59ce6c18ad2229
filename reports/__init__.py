"""Saved reports: their schema, the statistics derived from raw samples, and the renderers.

Nothing in this package imports another package of the project, so an old report is read and shown with no runtime
and no TensorFlow installed.
"""
