"""Post-training methods from papers, over ONNX graphs: what they change in a float model or in a quantized one.

ONNX Runtime's quantizer, which does the quantizing itself, is in `exporters.quantizers.ort`.
"""
