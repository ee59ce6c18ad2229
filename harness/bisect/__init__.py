"""Finding the release of a runtime that changed a model's time or answers, by A/B comparisons of versions."""
