"""Two reports held against each other: what is comparable, what changed, and by how much beyond chance."""
