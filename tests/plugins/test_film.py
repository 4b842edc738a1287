"""Films as both plug-ins paint them, against a real daemon with the fake worker, which paints a frame's negative."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture
from tests.bench.clips import every

from support.daemon import Daemon, negative, until
from support.fake_worker import ENDLESS
from support.film_frames import FilmFrames
from support.paint_request import order
from vaporbrush_daemon import packaged
from vaporbrush_daemon.images import cuts, files
from vaporbrush_daemon.images.cuts import Signature
from vaporbrush_host import film as films
from vaporbrush_host.cells import cells_of
from vaporbrush_host.film import Film, Manner
from vaporbrush_host.job_threads import ForgetThread, PaintThread, RunState
from vaporbrush_host.request import Pixels
from vaporbrush_protocol import Image, RemoteError
from vaporbrush_protocol.cuts import is_cut
from vaporbrush_protocol.recipe import Channels, Depth

SIDE = 32
SEED = 100  # with which the fake worker does well


def drawing(left: int, top: int = 8, paper: int = 240) -> Pixels:
    """A dark square on paper: drawings of one scene, wherever it is."""
    picture = np.full((SIDE, SIDE, 3), paper, np.uint8)
    picture[top : top + 6, left : left + 6] = 20
    return Pixels(picture.tobytes(), SIDE, SIDE, "RGB")


def landscape(seed: int) -> Pixels:
    """Another scene."""
    cells = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return Pixels(cells.repeat(8, 0).repeat(8, 1).tobytes(), SIDE, SIDE, "RGB")


A, B, C, D = (drawing(left) for left in (2, 9, 16, 23))


class Painted:
    """A film that was painted to its end, and the recipes of its paintings."""

    def __init__(self, daemon: Daemon, *shown: Pixels | None, **manner: Any) -> None:
        self.frames = FilmFrames(shown)
        self.film = Film(self.frames, Manner(**manner), SEED)
        self.runs: list[PaintThread] = []
        self.recipes: list[dict[str, Any]] = []
        self.states: list[RunState] = []
        first = self.film.advance()
        asked = None if first is None else replace(order(SEED), content=first)
        self.jobs: list[str] = []
        self.canvases: list[Image] = []
        while asked is not None:
            run = PaintThread(asked, self.states.append, daemon.client, keep_canvas=self.film.keeps,
                              earlier=self.film.over())  # fmt: skip
            self.runs.append(run)
            run.start()
            run.join(60)
            assert run.state.stage == "done", run.state
            self.jobs.append(run.key)
            assert run.state.job is not None
            assert run.state.job.canvas is not None
            self.canvases.append(run.state.job.canvas)
            self.recipes.append(dict(run.state.result["recipe"]))
            self.film.put(asked.content, run.state)
            asked = self.film.following(asked)

    def held(self) -> list[list[str]]:
        """What each painting was held to, by the frames' hashes."""
        return [[one["content"]["blob"] for one in recipe["held"]] for recipe in self.recipes]

    def canvases_there(self, daemon: Daemon) -> list[bool]:
        """Which paintings the daemon still has for others to be held to."""
        found = []
        with daemon.client() as client:
            for canvas in self.canvases:
                try:
                    found.append(len(client.download(canvas)) == canvas.size_bytes)
                except RemoteError as error:
                    found.append(error.code != "unknown_blob")
        return found

    def forget(self, daemon: Daemon, *more: str) -> set[str]:
        """The film is at its end: the daemon is told, as the plug-ins tell it. Returns what it has been told."""
        left = self.film.left(self.runs[-1])
        forgets = ForgetThread((*left, *more), daemon.client)
        forgets.start()
        forgets.join(30)
        assert forgets.state.stage == "done", forgets.state
        return set(left)

    def shown(self) -> list[Pixels | None]:
        """Of which picture each frame has the painting."""
        known = {negative(bytes(one.data)): one for one in self.frames.shown if one is not None}
        count = range(len(self.frames))
        return [known[self.frames.paintings[number]] if number in self.frames.paintings else None for number in count]


def blob(pixels: Pixels) -> str:
    return pixels.image().blob


def test_each_frame_is_held_to_the_last_and_the_first_and_equal_ones_are_painted_once(daemon: Daemon) -> None:
    done = Painted(daemon, A, B, A, None, C)
    assert done.shown() == [A, B, A, None, C]
    assert done.frames.puts == [0, 1, 4]
    assert done.held() == [[], [blob(A)], [blob(A)]]  # the last one that is shown is the first one again
    assert (done.film.painted, done.film.empty) == (4, 1)


def test_a_cut_begins_anew(daemon: Daemon) -> None:
    other, more = landscape(1), landscape(1)
    more = replace(more, data=bytes([9] * 30) + bytes(more.data)[30:])
    done = Painted(daemon, A, B, other, more)
    assert done.held() == [[], [blob(A)], [], [blob(other)]]


def test_what_returns_after_a_cut_holds_the_frames_after_it(daemon: Daemon) -> None:
    assert Painted(daemon, A, landscape(1), A, B).held() == [[], [], [blob(A)]]


def test_a_loop_paints_its_first_frame_again_between_the_last_and_the_second(daemon: Daemon) -> None:
    done = Painted(daemon, A, B, A, C, loop=True)
    assert done.frames.puts == [0, 1, 3, 0]
    assert done.shown() == [A, B, A, C]
    assert done.recipes[-1]["content"]["blob"] == blob(A)
    assert done.held()[-1] == [blob(C), blob(B)]
    assert done.film.painted == 4
    assert done.runs[-1].left == (), "nothing is held to what closes the loop"
    done.forget(daemon)
    assert not any(done.canvases_there(daemon))


@pytest.mark.parametrize("shown", [(A, B), (A, B, C, A), (A, B, landscape(3))], ids=["two", "closed", "cut"])
def test_a_loop_that_is_closed_or_ends_in_another_scene_is_left(daemon: Daemon, shown: tuple[Pixels, ...]) -> None:
    done = Painted(daemon, *shown, loop=True)
    assert done.frames.puts == list(range(len({blob(one) for one in shown})))


def test_boil_goes_into_each_frame_with_a_seed_of_its_own(daemon: Daemon) -> None:
    done = Painted(daemon, A, B, C, boil=0.5)
    assert [recipe.get("boil", 0) for recipe in done.recipes] == [0, 0.5, 0.5]
    assert [recipe["seed"] for recipe in done.recipes] == [SEED, SEED + 1, SEED + 2]
    assert done.held()[2] == [blob(B), blob(A)]
    anew = Painted(daemon, A, B, boil=1.0, loop=True)
    assert anew.held() == [[], []]
    assert anew.film.left(anew.runs[-1]) == ()


def test_the_daemon_keeps_what_frames_are_held_to_and_no_more(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(films, "KEPT", 1)
    done = Painted(daemon, A, B, C, D)
    assert [len(one) for one in done.held()] == [0, 1, 2, 2]
    assert done.canvases_there(daemon) == [True, False, True, True]
    assert done.forget(daemon, done.jobs[1]) == {done.jobs[0], *done.jobs[2:]}
    assert done.canvases_there(daemon) == [False] * 4
    assert done.film.left(done.runs[-1]) == (), "it is told once"


def test_what_a_cancelled_frame_was_to_have_forgotten_is_forgotten_with_the_film(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(films, "KEPT", 1)
    done = Painted(daemon, A, B, C)
    earlier = done.film.over()
    assert earlier == (done.jobs[1],)
    run = PaintThread(order(ENDLESS), done.states.append, daemon.client, keep_canvas=True, earlier=earlier)
    run.start()
    until(lambda: run.state.stage == "running", "it paints")
    assert not run.cancelling
    run.cancel()
    run.join(30)
    assert (run.state.stage, run.cancelling) == ("cancelled", True)
    done.runs.append(run)
    assert done.forget(daemon) == {*done.jobs, run.key}
    assert done.canvases_there(daemon) == [False] * 3


def test_progress_is_that_of_the_whole_film(daemon: Daemon) -> None:
    film = Film(FilmFrames([A, B, C]), Manner(loop=True), SEED, clock=iter(range(0, 900, 10)).__next__)
    film.advance()
    state = RunState("key", "Ink", "running", "Step 3 of 9", fraction=0.5)
    told = film.told(state)
    assert (told.line, told.left) == ("Frame 1 of 3 · step 3 of 9", "")
    assert told.fraction == pytest.approx(0.5 / 3)
    done = Painted(daemon, A, B, C, loop=True)
    assert done.film.told(state).line == "Where the loop closes · step 3 of 9"
    assert done.film.line(done.states[-1]).startswith("3 frames in ")


def test_what_is_remembered_of_a_film_is_believed_only_where_it_may_be() -> None:
    assert Manner.of({"boil": 0.25, "loop": True, "frames": True}) == Manner(0.25, loop=True)
    for wrong in ({"boil": 2, "loop": "yes"}, {"boil": float("nan")}, None, [1]):
        assert Manner.of(wrong) == Manner()


def in_form(frame: NDArray[np.float32], channels: Channels, depth: Depth) -> Pixels:
    """A frame (H, W, 3), 0 to 1, as a host has it."""
    height, width = frame.shape[:2]
    alpha = np.ones((height, width, 1), np.float32)
    values = np.concatenate([frame[..., ::-1] if channels == "BGRA" else frame, alpha], axis=2)
    kinds = {"u8": np.uint8, "u16": np.uint16, "f16": np.float16, "f32": np.float32}
    white = {"u8": 255, "u16": 65535}.get(depth, 1)
    return Pixels((values * white).astype(kinds[depth]).tobytes(), width, height, channels, depth)


@pytest.mark.parametrize(("channels", "depth"), [("BGRA", "u8"), ("RGBA", "u16"), ("RGBA", "f16"), ("RGBA", "f32")])
def test_an_editor_finds_the_cuts_that_the_command_line_finds(channels: Channels, depth: Depth) -> None:
    with Picture.open(packaged.art() / "demo" / "content.jpg") as photo:
        clips = every(photo.convert("RGB"), 160)
    found: dict[str, list[int]] = {}
    for clip in clips:
        frames = clip.frames[:12]
        signatures = [Signature.of(files.Picture(frame)) for frame in frames]
        cells = [cells_of(in_form(frame, channels, depth)) for frame in frames]
        pairs = range(1, len(frames))
        found[clip.name] = [number for number in pairs if is_cut(cells[number - 1], cells[number])]
        assert found[clip.name] == [number for number in pairs if cuts.is_cut(*signatures[number - 1 : number + 1])]
    assert found == {"pan": [], "walk": [], "zoom": [], "cut": [3], "fire": []}


def test_what_is_transparent_counts_as_black_and_a_picture_may_be_small() -> None:
    grey = Pixels(bytes([200, 255, 200, 0]), 2, 1, "GRAYA")
    assert cells_of(grey) == pytest.approx([200 / 255] * 3 + [0] * 3)
    assert len(cells_of(Pixels(bytes(20 * 3 * 3), 20, 3, "RGB"))) == 16 * 3 * 3
