"""Jobs of a fleet as Ray tasks that take a whole node each; Ray itself is imported in a process of its own alone."""
