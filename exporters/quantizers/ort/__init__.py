"""ONNX Runtime's quantizers, driven so that calibration is shared, bounded in memory, and quiet."""
