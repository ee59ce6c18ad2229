"""How the tables of a history came to be, step by step: alembic runs `versions` through `env.py`."""
