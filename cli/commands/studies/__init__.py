"""Commands that build many variants of one model and compare them."""
