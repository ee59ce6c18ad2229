"""What carries recipes out: ONNX Runtime's quantizer, ours for TFLite, methods that repair, and libraries.

How recipes are written, named and checked is not here but in `recipes`.
"""
