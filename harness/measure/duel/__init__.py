"""A/B comparisons: two cases in the same rounds until their ratio is known."""
