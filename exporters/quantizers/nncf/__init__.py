"""Quantizing ONNX files with NNCF, in a process of its own; its telemetry never runs."""
