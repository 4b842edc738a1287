"""What only a GPU can show, in one command: `python -m tests.bench.gpu`; see `__main__`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# from a checkout in which nothing is installed, and before what may be installed elsewhere
sys.path[:0] = [str(ROOT / folder) for folder in ("", "protocol", "daemon") if str(ROOT / folder) not in sys.path]
