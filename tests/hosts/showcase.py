"""Krita as the project's page shows it: the demo picture, the docker, and a finished painting by a bundled style.

`PYTHONPATH=tests python -m hosts.showcase --weights FILE` makes `docs/krita.jpg` in a few minutes; a test does the
same small.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from PIL import Image as Picture

from hosts.host import Desktop
from hosts.krita import LOOKS, REAL_WORKER, Krita, Told, cli, picture
from hosts.root import Root, find_root
from support.daemon import ROOT, Daemon
from vaporbrush_daemon import packaged

SCREEN = "1440x960x24"  # the docker fits without scrolling, and its words can be read at the width of a page
KRITA_S = 900
MAX_BYTES = 400_000  # of the picture: everybody who clones the repository gets it


def show(root: Root, folder: Path, *, size: int, style: str = "impasto", weights: str = "") -> Told:
    """Paint in Krita, and write `krita-showcase.png` and `krita-showcase-running.png` among the looks."""
    picture(folder, "content", next(packaged.art().glob("demo/content.*")), (1024, 768))
    wish = {"style": style, "values": {"size": size, "quality": "standard", "model": "auto"}}
    (folder / "showcase.json").write_text(json.dumps(wish))
    daemon = Daemon(folder / "vh", worker_command=REAL_WORKER, weights=weights).start()
    try:
        with Desktop(root, folder, screen=SCREEN) as desktop:
            krita = Krita(desktop)
            cli(daemon.home, "install", "krita", own=desktop.home)
            krita.start("showcase", env={"VAPORBRUSH_HOME": str(daemon.home)})
            return krita.wait(KRITA_S)
    finally:
        daemon.stop()


def main() -> None:
    """Make the picture for the documentation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=640, help="pixels, longest side (default: 640)")
    parser.add_argument("--style", default="impasto", help="a bundled style (default: impasto)")
    parser.add_argument("--weights", default="", help="the full VGG19; without it, the small model paints")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/krita.jpg", help="default: docs/krita.jpg")
    given = parser.parse_args()
    root = find_root()
    if root is None:
        sys.exit("There is no Krita to show: run `make hosts` first.")
    with tempfile.TemporaryDirectory(prefix="vp-") as name:
        told = show(root, Path(name), size=given.size, style=given.style, weights=given.weights)
    if told.errors:
        sys.exit(told.errors)
    shot = Picture.open(LOOKS / "krita-showcase.png").convert("RGB")
    for quality in range(92, 50, -3):
        shot.save(given.out, quality=quality, subsampling=0, optimize=True, progressive=True)
        if given.out.stat().st_size < MAX_BYTES:
            break
    print(f"{given.out}: {given.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
