"""Draws the bundled styles: `styles/NAME.jpg` for each name, or for those given."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from atelier.colour import Array
from atelier.cubist import cubist
from atelier.frame import ART, save
from atelier.impasto import impasto
from atelier.ink import ink
from atelier.mosaic import mosaic
from atelier.pastel import pastel
from atelier.pencil import pencil
from atelier.pointillist import pointillist
from atelier.risograph import risograph
from atelier.stained_glass import stained_glass
from atelier.vaporwave import vaporwave
from atelier.watercolour import watercolour
from atelier.woodcut import woodcut

DRAWINGS: dict[str, Callable[[], Array]] = {
    "vaporwave": vaporwave,
    "impasto": impasto,
    "watercolour": watercolour,
    "stained-glass": stained_glass,
    "mosaic": mosaic,
    "woodcut": woodcut,
    "ink": ink,
    "risograph": risograph,
    "pencil": pencil,
    "pastel": pastel,
    "pointillist": pointillist,
    "cubist": cubist,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(DRAWINGS)} (default: all)")
    parser.add_argument("--out", type=Path, default=ART, help="folder for styles/ (default: the package's)")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(DRAWINGS))
    if unknown:
        parser.error(f"There is no style {unknown[0]!r}. The styles are {', '.join(DRAWINGS)}.")
    for name in arguments.names or DRAWINGS:
        save(DRAWINGS[name](), arguments.out / "styles" / f"{name}.jpg")


if __name__ == "__main__":
    main()
