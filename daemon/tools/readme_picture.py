"""The README's first picture: content, style and what the demo made of them, side by side.

python daemon/tools/readme_picture.py build/demo.png docs/demo.jpg      (after `make demo`)
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from vaporbrush_daemon import resources

GAP, WHITE = 12, (255, 255, 255)


def main() -> None:
    """Compose and write."""
    painting = Image.open(sys.argv[1]).convert("RGB")
    inputs = [Image.open(next(resources.art().glob(pattern))) for pattern in ("demo/content.*", "styles/vaporwave.*")]
    height = painting.height * 2
    painting = painting.resize((painting.width * 2, height), Image.Resampling.LANCZOS)
    side = (height - GAP) // 2
    sizes = [(round(one.width * side / one.height), side) for one in inputs]
    shown = [one.convert("RGB").resize(size, Image.Resampling.LANCZOS) for one, size in zip(inputs, sizes, strict=True)]
    column = min(one.width for one in shown)
    page = Image.new("RGB", (column + GAP + painting.width, height), WHITE)
    for index, one in enumerate(shown):
        left = (one.width - column) // 2
        page.paste(one.crop((left, 0, left + column, side)), (0, index * (side + GAP)))
    page.paste(painting, (column + GAP, 0))
    Path(sys.argv[2]).parent.mkdir(parents=True, exist_ok=True)
    page.save(sys.argv[2], quality=88, optimize=True)


if __name__ == "__main__":
    main()
