"""Workers of other Pythons: one that the user names, or one that holds another version of a runtime."""
