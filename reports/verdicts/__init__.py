"""Judgements: comparisons of reports, A/B tests, and the choice of a variant."""
