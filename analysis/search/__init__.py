"""How much each layer of an ONNX model suffers from quantization, and candidates of mixed precision, built and run."""
