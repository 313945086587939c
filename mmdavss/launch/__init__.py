"""Builds models and Runners from config files and checkpoints."""
