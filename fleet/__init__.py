"""Many machines: jobs that measure on each, and their reports side by side."""
