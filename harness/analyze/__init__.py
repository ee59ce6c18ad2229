"""Driving `crossrt.analysis`: which files are looked into, in which processes, and how that is shown."""
