"""Analyses of trained models and finished runs."""
