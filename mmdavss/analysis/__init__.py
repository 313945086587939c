"""What trained models and finished runs are compared by."""
