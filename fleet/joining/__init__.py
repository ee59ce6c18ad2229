"""Reports of many machines, joined into one table."""
