"""Scales and zero points that follow from what was observed, compared with what a quantized file contains."""
