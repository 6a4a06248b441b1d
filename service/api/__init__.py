"""The HTTP door, and nothing else."""
