"""`crossrt history`: results over time, one module for each of its commands."""
