"""A report as one page of HTML that opens offline, and its plots as files."""
