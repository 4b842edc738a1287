"""The painter: torch lives here and nowhere else."""
