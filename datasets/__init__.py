"""What models are fed with and how answers are scored: data sets, tasks and their metrics.

A folder in here is a bundled data set with its models. Reading model files and running them live elsewhere.
"""
