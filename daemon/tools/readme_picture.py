"""The README's first picture: the demo's content above its style, and beside them what came of it.

python daemon/tools/readme_picture.py build/looks/krita-window.png docs/demo.jpg     (a window, or a painting alone)
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from vaporbrush_daemon import packaged
from vaporbrush_daemon.cli import demo

GAP, WHITE = 12, (255, 255, 255)
WIDTH = 1600  # pixels; twice what a page shows, for screens that are fine


def main() -> None:
    """Compose and write."""
    shown = Image.open(sys.argv[1]).convert("RGB")
    inputs = [
        Image.open(next(packaged.art().glob(pattern))) for pattern in ("demo/content.*", f"styles/{demo.STYLE}.*")
    ]
    side = (shown.height - GAP) // 2
    column = min(round(one.width * side / one.height) for one in inputs)
    page = Image.new("RGB", (column + GAP + shown.width, shown.height), WHITE)
    for index, one in enumerate(inputs):
        small = one.convert("RGB").resize((round(one.width * side / one.height), side), Image.Resampling.LANCZOS)
        left = (small.width - column) // 2
        page.paste(small.crop((left, 0, left + column, side)), (0, index * (side + GAP)))
    page.paste(shown, (column + GAP, 0))
    page = page.resize((WIDTH, round(page.height * WIDTH / page.width)), Image.Resampling.LANCZOS)
    Path(sys.argv[2]).parent.mkdir(parents=True, exist_ok=True)
    page.save(sys.argv[2], quality=86, optimize=True)


if __name__ == "__main__":
    main()
