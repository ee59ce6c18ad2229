"""The Min-Max scheme computed from what was observed, and held against what a quantized file contains."""
