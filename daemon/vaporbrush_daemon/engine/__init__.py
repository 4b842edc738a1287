"""The painter's engine, and the only place that imports torch. Read `algorithm.py` first: it is the whole method.

painter     from a recipe and its pictures to a painting: models, plan, algorithm, delivery
algorithm   scales → phases → steps
objective   the loss of an image and its gradient, whole or in tiles;  losses, grams, tiles: its parts
network     VGG19 forward and backward;  vgg19, convolution, calibration, models: its parts
inputs      the recipe's pictures at every scale;  compose, color_transfer: what is done to them before and after
optimisers, pyramid, phases, convergence, graphs, monitor, speed, style_cache, malloc, device: one noun each
"""

import os

# While they wait for each other, OpenMP's threads spin. If anything else runs (an editor, say), they spin for a thread
# that has no core, and a step takes ten times as long (tests/bench/NOTES.md has the figures); asleep they lose
# microseconds. torch's OpenMP reads this once, when it is loaded, so it is set before any module here imports torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
