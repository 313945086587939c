"""From config files and checkpoints to models and Runners that are ready to start."""
