"""Draws the demo pair: the content `demo/content.jpg` (a piazza) and the style `styles/vaporwave.jpg` (a sunset)."""

from __future__ import annotations

import argparse
from pathlib import Path

from atelier.frame import ART, save
from atelier.piazza import piazza
from atelier.vaporwave import vaporwave


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ART, help="folder for demo/ and styles/ (default: the package's)")
    out = parser.parse_args().out
    save(piazza(), out / "demo" / "content.jpg")
    save(vaporwave(), out / "styles" / "vaporwave.jpg")


if __name__ == "__main__":
    main()
