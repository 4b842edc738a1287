"""Draws the demo pair: the content `demo/content.jpg` (a piazza) and the style `styles/impasto.jpg` (swirls of oil)."""

from __future__ import annotations

import argparse
from pathlib import Path

from atelier.frame import ART, save
from atelier.impasto import impasto
from atelier.piazza import piazza


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ART, help="folder for demo/ and styles/ (default: the package's)")
    out = parser.parse_args().out
    save(piazza(), out / "demo" / "content.jpg")
    save(impasto(), out / "styles" / "impasto.jpg")


if __name__ == "__main__":
    main()
