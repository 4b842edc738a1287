"""A film carried out: frame by frame, by one device or, in chains, by several (`film_chains`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vaporbrush_daemon.daemon_client import reach
from vaporbrush_daemon.images import animations
from vaporbrush_daemon.images import files as pictures
from vaporbrush_daemon.images.animations import Shot
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.errors import RequestError, VaporbrushError

from . import film_chains, painting, terminal
from .batch import Account, going_on_later, make_folder
from .batch_plan import Journal
from .film_frames import Film
from .reel import Reel, opened
from .request import PaintRequest


def run(
    asked: PaintRequest, *, loop: bool, fps: float, quiet: bool, clock: Callable[[], float] = time.monotonic
) -> int:
    """Paint a film, and tell about it. `asked.content` names its frames. Returns the exit status."""
    reel = opened(str(asked.content), fps)
    folder = _folder(asked, reel)
    make_folder(folder)
    journal, account = Journal(folder), Account()
    film = Film(asked, reel, folder, journal, account, closing=loop)
    with going_on_later(account):
        if film.is_done():
            film.account.before = list(film.items)
        else:
            client, _started = reach(say=terminal.say)
            with client, terminal.showing(quiet=quiet and not terminal.err.is_terminal) as shows:
                painting.prepare_to_paint(client)
                _paint(film, client, shows, clock)
        if folder != asked.out:
            _put_together(asked.out, reel, film, 0 if loop else reel.loop)
    status = account.tell(asked.out, quiet=quiet)
    if folder != asked.out and not account.failed:
        film.clear(folder)
    return status


def _folder(asked: PaintRequest, reel: Reel) -> Path:
    """Where the paintings of the frames go. Raises `RequestError`."""
    out = asked.out
    if out.is_dir() or out.suffix.lower() not in pictures.WRITABLE | animations.FORMATS:
        sources = {frame.source.parent.resolve() for frame in reel.frames if not frame.mark}
        if out.resolve() in sources:
            problem = _("{folder} holds the frames themselves; -o has to name another folder.")
            raise RequestError("bad_field", problem.format(folder=out))
        return out
    if out.suffix.lower() not in animations.FORMATS:
        raise RequestError(
            "bad_field",
            _("{file} holds one picture; for a film -o names a folder, or a .webp or .gif file.").format(file=out),
        )
    if out.exists() and any(frame.source.samefile(out) for frame in reel.frames[:1]):
        problem = _("{file} is the film itself; -o has to name another file.").format(file=out)
        raise RequestError("bad_field", problem)
    if not out.parent.is_dir():
        raise RequestError("bad_field", _("The folder {folder} does not exist.").format(folder=out.parent))
    return out.with_name(f"{out.name}.frames")  # until all are done, so that a film that was stopped goes on


def _paint(film: Film, client: Client, shows: terminal.Shows, clock: Callable[[], float]) -> None:
    """Paint every frame that is not done. How many devices there are is known when the first one is painted."""
    began, count, account = clock(), len(film.items), film.account
    film.check_memory()
    for number, item in enumerate(film.items):
        if len(account.painted) == 1 and film.recipe is not None:
            places = client.estimate(film.recipe).get("at_once", 1)
            if places > 1 and film_chains.paint(film, number, places, shows, clock):
                break
            film.recipe = None  # it is asked for once
        done = len(account.painted) + len(account.repeated)
        seconds = (clock() - began) / done * (count - number) if done else None
        shows.item(number, count, item.title, seconds)
        try:
            film.frame(client, number, shows)
        except VaporbrushError as error:
            account.fail(item, error)
    if film.closed is not None and not film.journal.has(film.closed):
        try:
            film.close(client, shows)
        except VaporbrushError as error:
            account.fail(film.closed, error)


def _put_together(out: Path, reel: Reel, film: Film, loop: int) -> None:
    """The animated file of all paintings. What could not be painted shows what was before it."""
    shots: list[Shot] = []
    for number, item in enumerate(film.items):
        done, shown_ms = film.has(number), film.shown_ms.get(number)
        if done:
            shots.append(Shot(pictures.read(item.out), shown_ms or reel.shot(number).duration_ms))
        elif shots:
            shots.append(replace(shots[-1], duration_ms=shown_ms or shots[-1].duration_ms))
    if not shots:
        return
    sizes = {(one.picture.width, one.picture.height) for one in shots}
    if len(sizes) > 1:
        folder = film.items[0].out.parent
        raise RequestError(
            "bad_field",
            _(
                "The frames have {count} different sizes, which {file} cannot hold; their paintings are in {folder}."
            ).format(count=len(sizes), file=out, folder=folder),
        )
    animations.write_animation(out, shots, loop)
