"""Commands about crossrt and the machine, not about a model."""
