"""A film's frames, each held to the ones before it (`vaporbrush_daemon.engine.hold`): how one is painted and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vaporbrush_daemon.images import animations, cuts
from vaporbrush_daemon.images import files as pictures
from vaporbrush_daemon.images.files import Picture
from vaporbrush_daemon.texts import _
from vaporbrush_protocol import atomic
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.errors import RemoteError, RequestError, VaporbrushError
from vaporbrush_protocol.job import Job
from vaporbrush_protocol.recipe import Held, Image, Recipe

from . import painting, terminal
from .batch import Account, check_ours, make_folder, no_job
from .batch_plan import JOURNAL, Item, Journal, Look, stamp_of
from .presets import Meant
from .reel import Reel
from .request import PaintRequest, Prepared, check_target, prepare

OWN_COLOURS = ("style", "match")  # with these, what is delivered is what was painted


@dataclass(slots=True)
class Painted:
    """A frame whose painting is there, for the frames after it."""

    picture: Picture
    out: Path
    canvas: Image | None  # as the daemon keeps it, if it still does; None: nobody knows
    sent: tuple[Image, Buffer] | None = None  # what it showed, as the daemon got it


@dataclass(slots=True)
class Ready:
    """A frame that can be painted."""

    item: Item
    picture: Picture
    request: PaintRequest
    prepared: Prepared
    sent: tuple[Image, Buffer]  # what it shows, as the daemon gets it


class Film:
    """The frames on their way through the painter."""

    def __init__(
        self, asked: PaintRequest, reel: Reel, folder: Path, journal: Journal, account: Account, *, closing: bool
    ) -> None:
        """`closing`: the last frame leads to the first."""
        self.asked, self.reel, self.journal, self.account = asked, reel, journal, account
        look = Look("", Meant(asked.styles, asked.style_weights, asked.settings))
        self.items = [
            Item(
                frame.name if frame.mark else frame.source,
                look,
                folder / frame.name,
                stamp_of(frame.source, look.how, asked.recipe, frame.mark),
            )
            for frame in reel.frames
        ]
        # the first frame of a loop is painted once more at the end, and only then done
        self.closed = replace(self.items[0], stamp=f"{self.items[0].stamp} closed") if closing else None
        self.recipe: Recipe | None = None  # of the last frame that was painted
        self.shown_ms: dict[int, int] = {}
        self._sizes: dict[tuple[int, int], int] = {}  # what `auto` means, for all frames of a size
        self.drawings: dict[bytes, tuple[list[int], Image | None]] = {}  # by what they show: frames, and their canvas
        self._before: cuts.Signature | None = None
        self.first: Painted | None = None  # of the scene
        self.last: Painted | None = None
        self.opening: list[Painted] = []  # the film's first two drawings, for its end

    def is_done(self) -> bool:
        """Whether every frame is."""
        return all(map(self.has, range(len(self.items)))) and (self.closed is None or self.journal.has(self.closed))

    def has(self, number: int) -> bool:
        """Whether a frame is painted; the first of a loop perhaps not yet for the last time."""
        closed = self.closed if number == 0 else None
        return self.journal.has(self.items[number]) or (closed is not None and self.journal.has(closed))

    def frame(self, client: Client, number: int, shows: terminal.Shows) -> None:
        """The next frame, whatever it needs: a painting, another one's, or nothing."""
        item, shot = self.items[number], self.reel.shot(number)
        signature = cuts.Signature.of(shot.picture)
        if self._before is None or cuts.is_cut(self._before, signature):
            self.first = self.last = None
        self._before, self.shown_ms[number] = signature, shot.duration_ms
        key = cuts.digest(shot.picture)
        numbers, canvas = self.drawings.get(key, ([], None))
        if self.has(number):
            done = Painted(shot.picture, item.out, self.noted(item))
            if done.canvas is not None:
                size = max(done.canvas.width, done.canvas.height)
                self._sizes.setdefault((shot.picture.width, shot.picture.height), size)
            self.account.before.append(item)
        elif numbers:
            done = self.repeated(item, shot.picture, self.items[numbers[0]].out, canvas)
            self.account.repeated.append(item)
        else:
            done = self.painted(client, number, item, shot.picture, self._references(), shows)
            self.account.painted.append(item)
        self.drawings[key] = ([*numbers, number], canvas or done.canvas)
        self.first, self.last = self.first or done, done
        if number == 0 or (len(self.opening) == 1 and not numbers):
            self.opening.append(done)

    def _references(self) -> list[Painted]:
        """The frame before, and the scene's first, which has what was hidden since."""
        found = [one for one in (self.last, self.first) if one is not None]
        return found[:1] if self.last is self.first else found

    def close(self, client: Client, shows: terminal.Shows) -> None:
        """Paint the first frame again, now between the last and the second drawing. With fewer than three there is
        nothing to close.
        """
        assert self.closed is not None
        if len(self.drawings) < 3 or len(self.opening) < 2 or self.last is None:
            if not self.account.failed:
                self.journal.add(self.closed, self.journal.note(self.items[0]))
            return
        first, second = self.opening
        of_one_scene = not cuts.is_cut(cuts.Signature.of(self.last.picture), cuts.Signature.of(first.picture))
        canvas = first.canvas
        numbers = next(numbers for numbers, _image in self.drawings.values() if 0 in numbers)
        holds = self.asked.settings.get("boil", 0) < 1
        if of_one_scene and holds and len(self.items) - 1 not in numbers:
            shows.item(0, len(self.items), _("{title}, where the loop closes").format(title=self.closed.title), None)
            held = [self.last, second]
            canvas = self.painted(client, 0, self.closed, first.picture, held, shows).canvas
            for number in numbers[1:]:
                self.repeated(self.items[number], first.picture, self.closed.out, canvas)
        self.journal.add(self.closed, note_of(canvas))

    def repeated(self, item: Item, picture: Picture, source: Path, canvas: Image | None) -> Painted:
        """A frame that shows what another does gets its painting."""
        make_folder(item.out.parent)
        check_ours(item, self.journal)
        self.journal.begin(item)
        if item.out.suffix.lower() == source.suffix.lower():
            atomic.write(item.out, source.read_bytes(), durable=True)
        else:
            pictures.write(item.out, pictures.read(source))
        self.journal.add(item, note_of(canvas))
        return Painted(picture, item.out, canvas)

    def ready(self, client: Client, number: int, item: Item, picture: Picture) -> Ready:
        """A frame before it is painted, held to nothing yet. Raises `RequestError` where its target cannot be."""
        request = replace(self.asked, content=item.content, out=item.out)
        make_folder(item.out.parent)
        check_target(request)
        check_ours(item, self.journal)
        prepared = prepare(request, no_job, picture)
        recipe = prepared.recipe
        prepared.recipe = replace(
            recipe,
            size=self._size(client, recipe),
            seed=recipe.seed + number if recipe.boil else recipe.seed,  # or the boil would be the same in each
        )
        self.recipe = prepared.recipe
        return Ready(item, picture, request, prepared, (recipe.content, prepared.blobs[recipe.content.blob]))

    def hold(self, ready: Ready, held: Sequence[Painted], *, of_daemon: bool = True) -> None:
        """Hold a frame to these. Canvases are the daemon's own, or made of the paintings' files."""
        recipe = ready.prepared.recipe
        found = self._held(held, ready.prepared, recipe, of_daemon=of_daemon)
        ready.prepared.recipe = replace(recipe, held=found)

    def save(self, ready: Ready, job: Job, result: Picture) -> Painted:
        """Keep a painting."""
        self.journal.begin(ready.item)
        painting.save(ready.request, job, result)
        self.journal.add(ready.item, note_of(job.canvas))
        return Painted(ready.picture, ready.item.out, job.canvas, ready.sent)

    def painted(
        self, client: Client, number: int, item: Item, picture: Picture, held: Sequence[Painted], shows: terminal.Shows
    ) -> Painted:
        """Paint a frame."""
        ready = self.ready(client, number, item, picture)
        prepared = ready.prepared
        try:
            self.hold(ready, held)
            painting.upload(client, prepared.blobs, shows.bytes)
            job, result = painting.paint(client, prepared, ready.request, shows.job, history=False)
        except RemoteError as error:
            if error.code != "unknown_blob" or not prepared.recipe.held:
                raise
            # the daemon's store has forgotten them, as it does after a day
            self.hold(ready, held, of_daemon=False)
            painting.upload(client, prepared.blobs, shows.bytes)
            job, result = painting.paint(client, prepared, ready.request, shows.job, history=False)
        return self.save(ready, job, result)

    def _held(
        self, held: Sequence[Painted], prepared: Prepared, recipe: Recipe, *, of_daemon: bool
    ) -> tuple[Held, ...]:
        """The frames that the recipe is held to, with their bytes among the blobs."""
        if recipe.boil >= 1:
            return ()
        found = []
        for one in held:
            canvas = one.canvas if of_daemon else None
            if canvas is None:
                if recipe.color not in OWN_COLOURS or recipe.blend < 1:
                    continue  # of what was painted the file shows only a part
                canvas = _opaque(pictures.read(one.out), prepared)
            if one.sent is None:
                request = replace(self.asked, content=one.out, out=one.out)
                other = prepare(request, no_job, one.picture)
                one.sent = other.recipe.content, other.blobs[other.recipe.content.blob]
            image, data = one.sent
            prepared.blobs[image.blob] = data
            found.append(Held(image, canvas))
        return tuple(found)

    def _size(self, client: Client, recipe: Recipe) -> int | Literal["full", "auto"]:
        """What is painted of every frame: where `auto` chooses, as for the first one."""
        if recipe.size != "auto":
            return recipe.size
        side = recipe.content.width, recipe.content.height
        if side not in self._sizes:
            estimate = client.estimate(recipe)
            self._sizes[side] = max(estimate["painted_width"], estimate["painted_height"])
        return self._sizes[side]

    def noted(self, item: Item) -> Image | None:
        """The canvas of a painting of an earlier run."""
        try:
            return Image.from_wire("canvas", self.journal.note(item).get("canvas"))
        except VaporbrushError:  # noted by another version, or damaged: the next frame then begins from its content
            return None

    def clear(self, folder: Path) -> None:
        """Remove the paintings of the frames, which are in the animated file now; other files stay."""
        for path in (*(item.out for item in self.items), folder / JOURNAL):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # somebody keeps something there
            folder.rmdir()

    def check_memory(self) -> None:
        """Raise `out_of_memory` for an animated file that could not be put together in the end."""
        if self.asked.out.suffix.lower() not in animations.FORMATS or self.asked.out.is_dir():
            return
        with suppress(RequestError):  # a first frame that cannot be read is told of when its turn comes
            first = self.reel.shot(0).picture
            width, height = first.width, first.height
            size = self.asked.settings.get("size")
            share = min(1.0, size / max(width, height)) if isinstance(size, int) else 1.0
            animations.check_writable(self.asked.out, len(self.items), round(width * share), round(height * share))


def _opaque(picture: Picture, prepared: Prepared) -> Image:
    """A painting's colours as a canvas, its bytes among the blobs."""
    colours = replace(picture, pixels=picture.pixels[..., :3])
    data = colours.data()
    blob = hashlib.sha256(data).hexdigest()
    prepared.blobs[blob] = data
    return colours.wire(blob)


def note_of(canvas: Image | None) -> dict[str, object]:
    return {} if canvas is None else {"canvas": canvas.to_wire()}
