"""Quantization-aware training: a Keras model in, one trained set of scales in a TFLite and an ONNX file out.

TensorFlow runs in a process of its own, `python -m crossrt.exporters.training.qat.run`. Measuring is done elsewhere.
"""
