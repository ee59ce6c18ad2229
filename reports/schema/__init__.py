"""The report: its records, which are its schema, and reading and writing them."""
