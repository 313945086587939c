"""Checkpoints and models of other projects come in, adapted models go out."""
