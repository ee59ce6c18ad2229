"""ONNX Runtime: its adapters, the options that they declare, and what its profiler records."""
