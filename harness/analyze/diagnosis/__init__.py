"""Where the error of a quantized file comes from, and which change of its recipe would help."""
