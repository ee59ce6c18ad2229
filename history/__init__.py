"""Results over time: what many runs found, in one SQLite file or on a PostgreSQL server.

A history keeps of each report what trends and gates are made of. Raw samples stay in the report file, which it finds
again by path and sha256.
"""
