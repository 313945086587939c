"""Videos in, predictions out: readers of videos, and models that segment their frames."""
