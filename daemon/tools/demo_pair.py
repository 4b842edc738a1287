"""Draws the demo pair: a piazza (content.jpg) and a vaporwave sunset (style.jpg)."""

from __future__ import annotations

import argparse
from pathlib import Path

from atelier.frame import save
from atelier.piazza import piazza


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write content.jpg to")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    save(piazza(), arguments.out / "content.jpg")


if __name__ == "__main__":
    main()
