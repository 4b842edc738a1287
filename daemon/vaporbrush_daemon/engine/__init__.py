"""The painter: torch lives here and nowhere else."""

import os

# OpenMP's threads spin while they wait for each other, and if anything else runs (an editor, say) they wait for a
# thread that has no core: a step on two busy cores then takes ten times as long. Asleep they lose microseconds.
# torch's OpenMP reads this once, when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
