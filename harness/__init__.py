"""Where everything meets: worker processes, rounds, answers, building, and the command line."""
