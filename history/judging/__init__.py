"""Judging runs by those before them: series, changes of level, the gate."""
