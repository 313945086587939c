"""Imports checkpoints and models of other projects, exports adapted models."""
