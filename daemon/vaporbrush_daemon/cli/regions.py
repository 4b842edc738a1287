"""Where each style paints: `--region` and `--style-mask`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vaporbrush_daemon.texts import _, _n
from vaporbrush_protocol.errors import RequestError


def read_regions(words: Sequence[str]) -> dict[int, Path]:
    """“2:sky.png” as {2: sky.png}: the style's number, from 1, and the picture of its mask. Raises `RequestError`."""
    found: dict[int, Path] = {}
    for word in words:
        number, colon, file = word.partition(":")
        if not (colon and file and number.isascii() and number.isdecimal() and int(number) > 0):
            raise RequestError(
                "bad_field",
                _(
                    "--region is {value}, but must be a style's number, a colon and a picture: --region 2:sky.png."
                ).format(value=repr(word)),
            )
        if int(number) in found:
            raise RequestError(
                "bad_field",
                _("--region names style {number} twice; put both parts into one picture.").format(number=int(number)),
            )
        found[int(number)] = Path(file)
    return found


def masks(style_masks: Sequence[Path], regions: dict[int, Path], count: int) -> list[Path | None]:
    """The mask of each of `count` styles, None for one that paints the rest. Raises `RequestError`."""
    if style_masks and regions:
        raise RequestError("bad_field", _("--style-mask and --region say the same in two ways: use one of them."))
    if style_masks and len(style_masks) != count:
        raise RequestError(
            "bad_field",
            _(
                "--style-mask is given {masks} times for {styles} styles; give one for each style,"
                " or use --region for some."
            ).format(masks=len(style_masks), styles=count),
        )
    beyond = max(regions, default=0)
    if beyond > count:
        problem = _n(
            "--region names style {number}, but there is one style.",
            "--region names style {number}, but there are {count} styles.",
            count,
        )
        raise RequestError("bad_field", problem.format(number=beyond, count=count))
    return list(style_masks) or [regions.get(number) for number in range(1, count + 1)]
