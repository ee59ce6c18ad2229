"""OpenVINO: its adapter, its library without telemetry, and the kernels of a compiled model."""
