"""Pseudo-labels of a whole data set, written before self-training."""
