"""Processes: workers and what drives them, limits, pinning, locks, the packages that they need.

What is measured in them, and in which order, lives in `measure`.
"""
