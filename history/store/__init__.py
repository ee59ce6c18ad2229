"""Keeping runs: the database, its migrations, what is written into it and read again."""
