"""The painting of all frames of an image; what is done is in a new image at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gi.repository import Gimp, GObject

from vaporbrush_host.film import Film, Manner
from vaporbrush_host.film_run import FilmRun
from vaporbrush_host.job_threads import ForgetThread, RunState, Stage
from vaporbrush_host.request import PaintRequest
from vaporbrush_host.ui_text import _, caveats
from vaporbrush_protocol.errors import VaporbrushError

from . import layers, painting, region_store
from .frames import LayerFrames
from .layers import Place
from .painting import GOODBYE_S, Painting, Task


def place_of(image: Any, frames: LayerFrames) -> Place:
    """A film as what is painted: the image by its name, and its first frame to be looked at."""
    return Place(image, frames.seen(0), image.get_layers()[-1], image.get_name(), frames.size, (0, 0))


class FilmPainting(Painting):
    """A film under way. Its frames come into a new image, which is seen as soon as it is taken: GIMP's own Cancel ends
    this process without a word, and what is done by then is kept.
    """

    def __init__(self, task: Task, manner: Manner, *, seen: bool) -> None:
        """`seen`: whether there is somebody to see the new image."""
        self.frames = LayerFrames(task.place.image)
        self.film = Film(self.frames, manner, task.values["seed"])
        self.frames.record = lambda frame: _record(task, self.film.result, frame)
        self._seen = seen
        self._taken = self._shown = self._ending = False
        self._over = False  # whether it can never be gone on with: it is closed, or its new image is
        try:
            super().__init__(task, self._first_order(task))
        except BaseException:
            self.frames.close()
            self.frames.forget()
            raise

    def _first_order(self, task: Task) -> PaintRequest:
        content = self.film.advance()
        if content is None:
            raise layers.refuse(_("No layer of “{name}” shows anything.").format(name=task.place.name))
        return replace(painting.order_of(task, content), history=False)

    @property
    def returned(self) -> Any:
        """The new image."""
        return GObject.Value(Gimp.Image, self.frames.made)

    def _begin(self, order: PaintRequest) -> None:
        self.run: FilmRun = FilmRun(self.film, order, painting.start)

    def latest(self, wait_s: float = 0.0) -> RunState:
        """The newest state of the film. What frames have brought is put into the new image, and the next ones begin."""
        try:
            news = self.run.poll(wait_s)
            if news is not None:
                self.state = self._reported(news)
        except VaporbrushError as error:  # a person has closed the new image, or deleted a layer that shows again
            self._over = True
            self.state = _ended(self.run.give_up(), "failed", error.message, error)
        return self.state

    def _reported(self, news: RunState) -> RunState:
        if news.stage == "done":
            if self._over or (self.run.cancelling and not self._ending):
                return _ended(news, "cancelled", _("Cancelled"))  # perhaps told so when a frame was just done
            self.frames.check_open()
        self._show()
        return news

    def take(self) -> None:
        """The person wants it: what is painted is shown in a window of its own from now on."""
        self._taken = True
        self._show()

    def _show(self) -> None:
        made = self.frames.made
        if self._taken and not self._shown and self.film.painted and made.is_valid():
            self._shown = True
            layers.unhide(made)
            if self._seen:
                Gimp.Display.new(made)
                Gimp.displays_flush()

    def finish(self) -> None:
        """Paint no more, and keep the frames that are done; the first one as it looks now where none is."""
        self._ending = True
        self.run.finish()

    def deliver(self) -> None:
        """Show the new image. Raises the run's error where it has failed."""
        if self.state.error is not None:
            raise self.state.error
        if self.state.stage != "done":
            raise VaporbrushError("cancelled", _("The painting was cancelled."))
        self.take()
        where = [source.region for source in self.task.sources if source.region is not None]
        if self.task.place.image.is_valid():
            region_store.keep_last(self.task.place.image, where)
        said = [*caveats(self.state.result, self.state.note), *([self.state.line] if self._ending else [])]
        if said:
            Gimp.message("\n".join(said))

    def again(self) -> bool:
        """Go on with what failed."""
        if self.state.stage != "failed" or self._over:
            return False
        self._ending = False
        self.run.again()
        self.state = self.run.state
        return True

    def close(self, wait_s: float = GOODBYE_S) -> None:
        """Stop, and let go of everything but an image that somebody sees, or that a script is to get."""
        super().close(wait_s)
        self._over = True
        if not (self._taken and self.film.painted):
            self.frames.forget()
        self.frames.close()
        if jobs := self.run.left():
            forgets = ForgetThread(jobs, painting.reached)
            forgets.start()
            forgets.join(wait_s)


def _ended(news: RunState, stage: Stage, line: str, error: VaporbrushError | None = None) -> RunState:
    """The state of a film that ends otherwise than its last run."""
    report = news.report if error is news.error else ""
    return replace(news, stage=stage, line=line, left="", fraction=None, pixels=None, error=error, report=report)


def _record(task: Task, result: Mapping[str, Any], frame: str) -> bytes:
    return painting.record(task, result, content=f"{task.place.name} ▸ {frame}")


def begun(task: Task, *, seen: bool, before: Painting | None = None) -> Painting:
    """The painting of a task, which has begun. `before`: the last one, which goes on where it failed if it is the same,
    and else is given up.
    """
    if before is not None:
        if before.task == task and before.again():
            return before
        before.close(0)
    return Painting(task) if task.film is None else FilmPainting(task, task.film, seen=seen)
