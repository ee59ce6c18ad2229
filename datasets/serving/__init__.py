"""Data sets that code gives: called in a process of its own, read from its files or asked from it by all others."""
