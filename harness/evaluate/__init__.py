"""Checking answers before anything is timed: running a model over data and judging what comes out."""
