"""Keras models and SavedModels as functions with named inputs and outputs. TensorFlow is imported here."""
