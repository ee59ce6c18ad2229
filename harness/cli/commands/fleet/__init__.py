"""`crossrt fleet`: many machines."""
