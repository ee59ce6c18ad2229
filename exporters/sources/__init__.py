"""What a user brings: one module for each kind of model file."""
