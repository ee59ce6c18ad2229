"""Finding the release of a runtime that changed a model's time or answers: A/B comparisons of versions, step by step."""
