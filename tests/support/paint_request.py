"""What a host asks for, for tests of what both plug-ins share."""

from __future__ import annotations

from typing import Any

from support.daemon import picture
from support.fake_worker import WELL
from vaporbrush_host import controls
from vaporbrush_host.request import PaintRequest, Pixels, StyleInput


def order(seed: int = WELL, tint: int = 0, **more: Any) -> PaintRequest:
    """For the fake worker."""
    (content, pixels), (style, strokes) = picture(tint=tint), picture(tint=tint + 100)
    return PaintRequest(
        content=Pixels(pixels, content.width, content.height, "RGB"),
        styles=(StyleInput(Pixels(strokes, style.width, style.height, "RGB")),),
        values={**controls.defaults(), "seed": seed},
        label="Starry",
        **more,
    )
