"""Measuring: cases, participants, rounds, A/B comparisons, and how long all that may take.

Checking answers lives in `evaluate`; statistics of what was measured live in `reports`.
"""
