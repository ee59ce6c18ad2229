"""What every other room builds on: artifacts and tensor specs, evaluations, metric definitions, the root of all errors.

Records and small helpers only. Nothing here imports another room, a runtime or a converter.
"""
