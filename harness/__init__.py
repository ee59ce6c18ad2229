"""Where everything meets: plans cases, builds artifacts, drives workers, composes reports; the command line."""
