"""Runtimes and their versions: what there is, which release changed a model, the cache of their environments."""
