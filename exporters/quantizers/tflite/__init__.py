"""Quantizing float TFLite files as they are; files that come from TensorFlow are written by `to_tflite`."""
