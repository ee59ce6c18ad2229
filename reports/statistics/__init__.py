"""Numbers out of raw samples: estimates, intervals, contrasts, noise, metrics."""
