"""How near to the limits of the machine a model runs: the limits are measured once, the work is counted."""
