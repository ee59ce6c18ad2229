"""Sources, recipes and quantizers: a model and calibration data in, checked artifacts with manifests out.

TensorFlow and tf2onnx are imported only by modules that run in processes of their own. Running is done elsewhere.
"""
