"""The plots of a report, each drawn from the report alone."""
