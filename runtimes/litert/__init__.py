"""LiteRT: its interpreter with the graph that it plans, and `CompiledModel`."""
