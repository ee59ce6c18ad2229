"""Quantization recipes: what is asked of a quantizer, as typed records and as TOML."""
