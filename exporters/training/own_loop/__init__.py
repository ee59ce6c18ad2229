"""A Keras model with fake quantization for training loops of the user's own, and how it is written as both files."""
