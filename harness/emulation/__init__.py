"""How cases answer on a processor that this machine does not have: workers under an emulator. Nothing is timed here."""
