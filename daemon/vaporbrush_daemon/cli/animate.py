"""`animate`."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from vaporbrush_protocol.controls import Value

from .options import (
    FILE,
    LOOK,
    argument_panel,
    film_options,
    given_settings,
    json_option,
    recipe_option,
    setting_options,
    styles_argument,
    weights_option,
)

FPS = 12.0  # drawings a second, as most drawn films have them


@click.command()
@argument_panel("frames", "style")
@click.option_panel("Options", options=["out", "boil", "loop", "fps", "as_json", "help"])
@click.argument(
    "frames",
    metavar="FRAMES",
    type=FILE,
    help="A folder of frames (PNG, TIFF, JPEG or WebP), a pattern of them, or an animated WebP or GIF.",
)
@styles_argument
@click.option(
    "-o",
    "--out",
    metavar="FOLDER|FILE",
    type=FILE,
    required=True,
    help="Where the paintings go: a folder, or a .webp or .gif file.",
)
@film_options
@click.option(
    "--fps",
    metavar="R",
    type=click.FloatRange(1, 120),
    default=FPS,
    show_default=True,
    help="Frames a second of a .webp or .gif that is made of a folder. From 1 to 120.",
)
@setting_options
@weights_option
@recipe_option(LOOK)
@json_option
def animate(
    *,
    frames: Path,
    style: tuple[str, ...],
    out: Path,
    loop: bool | None,
    fps: float,
    style_weights: tuple[float, ...] | None,
    recipe: Path | None,
    as_json: bool,
    **options: Value,
) -> int:
    """Repaint a film, frame by frame, in the style of a picture.

    For instance: vaporbrush animate frames/ @woodcut -o painted/

    What stands still in the film stays still in its paintings, equal frames are painted once, and each cut begins anew.
    All GPUs paint, each a part of the film. A film that was stopped goes on by the same command.
    """
    from . import film
    from .presets import meant
    from .request import PaintRequest

    how = meant(style, style_weights, given_settings(options))
    request = PaintRequest(
        content=frames, styles=how.styles, out=out, settings=how.settings, style_weights=how.weights, recipe=recipe
    )
    return film.run(request, loop=bool(loop), fps=fps, quiet=as_json)
