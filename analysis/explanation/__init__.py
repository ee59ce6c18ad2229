"""Why kernels of a quantized ONNX file compute in float, as far as its graphs show."""
