"""Tasks: how answers are scored. Each is one module and one entry point of the group `crossrt.tasks`."""
