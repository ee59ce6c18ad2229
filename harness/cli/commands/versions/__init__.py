"""Other versions of runtimes: which release changed a model, and the cache that holds their environments."""
