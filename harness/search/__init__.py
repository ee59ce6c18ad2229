"""Searching for mixed precision within a budget: what stays in float, judged by bounds and on samples kept aside."""
