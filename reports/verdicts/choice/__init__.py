"""Which variant to ship: what no other beats, and the best within a budget."""
