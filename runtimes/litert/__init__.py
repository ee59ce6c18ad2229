"""LiteRT: its interpreter, and the graph that it plans."""
