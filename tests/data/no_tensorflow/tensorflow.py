"""Stands in the way of TensorFlow, whose import takes seconds: with this folder on the path it is not installed."""

raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")
