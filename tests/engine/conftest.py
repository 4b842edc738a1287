"""Torch's threads sleep while they wait: tests share their cores with each other."""

import vaporbrush_daemon.engine  # noqa: F401 - sets OMP_WAIT_POLICY before anything imports torch
