"""A history on the terminal and as a page."""
