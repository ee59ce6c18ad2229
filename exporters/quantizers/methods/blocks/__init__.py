"""Block reconstruction: operators with their gradients, blocks of a graph, and learning how their weights are rounded.

Methods that look at one layer at a time are in the folder above.
"""
