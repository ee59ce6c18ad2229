"""Model and data in, checked model files with manifests out.

Nothing in this package imports another package of the project. TensorFlow and tf2onnx are imported only by
`exporters.build` and `exporters.train`, which run in processes of their own.
"""
