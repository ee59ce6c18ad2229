"""What a user brings: one module for each kind of model file, and `detect`, which tells them apart by content."""
