"""two reports compared: what is comparable, what changed, and by how much beyond chance."""
