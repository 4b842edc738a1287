"""A whole film as both plug-ins paint it: by one device, or by several at once, each frame once and in its place."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.daemon import FAKE_WORKER, Daemon, negative, serving, until
from support.film_frames import FilmFrames
from support.paint_request import order
from vaporbrush_host import film_chains, film_run
from vaporbrush_host.film import Film, Manner
from vaporbrush_host.film_chains import Chains
from vaporbrush_host.film_run import FilmRun
from vaporbrush_host.job_threads import ForgetThread, PaintThread, RunState
from vaporbrush_host.request import PaintRequest, Pixels
from vaporbrush_protocol import Image, RemoteError
from vaporbrush_protocol.film_plan import outline, pieces
from vaporbrush_protocol.recipe import Recipe

SIDE = 32
SEED = 100  # with which the fake worker does well
COUNT = 14
STEP_S = 0.05  # of the fake worker: with three of them, all frames are looked at before the second one is painted


def drawing(place: int, scene: int = 1) -> Pixels:
    """A scene with something at a place in it."""
    picture = np.random.default_rng(scene).integers(0, 256, (4, 4, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    picture[8 + place // 26 : 14, place % 26 : place % 26 + 6] = (250, 20, 20)
    return Pixels(picture.tobytes(), SIDE, SIDE, "RGB")


def drawings(count: int = COUNT) -> list[Pixels | None]:
    return [drawing(place) for place in range(count)]


def blob(pixels: Pixels | None) -> str:
    assert pixels is not None
    return pixels.image().blob


class Host:
    """A host that has a film painted. `frames` are what it has, `done` the states of the paintings."""

    def __init__(self, daemon: Daemon, shown: list[Pixels | None], **manner: Any) -> None:
        self.daemon = daemon
        self.frames = FilmFrames(shown)
        self.film = Film(self.frames, Manner(**manner), SEED)
        self.lines: list[str] = []
        self.states: dict[str, RunState] = {}
        self.orders: dict[str, PaintRequest] = {}
        content = self.film.advance()
        assert content is not None
        self.run = FilmRun(self.film, replace(order(SEED), content=content), self._start)

    def _start(self, asked: PaintRequest, post: Callable[[RunState], None], /, **more: Any) -> PaintThread:
        def heard(state: RunState) -> None:
            self.states[state.key] = state
            post(state)

        run = PaintThread(asked, heard, self.daemon.client, **more)
        self.orders[run.key] = asked
        run.start()
        return run

    def poll(self) -> bool:
        """Look for news. Returns whether the film has ended."""
        if (news := self.run.poll(0.01)) is not None:
            self.lines.append(news.line)
        return self.run.state.ended

    def paint(self) -> Host:
        """To the end."""
        until(self.poll, "the film has ended", 60)
        return self

    def until_painted(self, count: int) -> None:
        """Until so many frames are."""
        until(lambda: self.poll() or len(self.frames.puts) >= count, f"{count} frames are painted", 60)

    def recipes(self) -> dict[str, Recipe]:
        """Of the paintings that are done, by what they show."""
        done = [state.result["recipe"] for state in self.states.values() if state.stage == "done"]
        return {one["content"]["blob"]: Recipe.from_wire(one) for one in done}

    def held(self) -> list[list[int]]:
        """What each frame was held to, by the numbers of frames."""
        number = {blob(one): at for at, one in reversed(list(enumerate(self.frames.shown))) if one is not None}
        recipes = self.recipes()
        return [
            [] if one is None else [number[before.content.blob] for before in recipes[blob(one)].held]
            for one in self.frames.shown
        ]

    def is_whole(self) -> bool:
        """Whether every frame that shows something has its own painting, and no other has one."""
        wanted = {at: negative(bytes(one.data)) for at, one in enumerate(self.frames.shown) if one is not None}
        return self.frames.paintings == wanted

    def keeps(self) -> list[Image]:
        """The canvases that the daemon still has."""
        found = []
        with self.daemon.client() as client:
            for state in self.states.values():
                if state.stage == "done" and state.job is not None and state.job.canvas is not None:
                    try:
                        client.download(state.job.canvas)
                    except RemoteError:  # the daemon has let it go: what it keeps is counted
                        continue
                    found.append(state.job.canvas)
        return found

    def forget(self) -> None:
        """The film has ended: the daemon is told, as the plug-ins tell it."""
        forgets = ForgetThread(self.run.left(), self.daemon.client)
        forgets.start()
        forgets.join(30)
        assert forgets.state.stage == "done", forgets.state


@pytest.fixture
def machine(home: Path) -> Iterator[Daemon]:
    """A daemon that finds three GPUs."""
    command = [*FAKE_WORKER, "--gpus", "24,24,24", "--step", str(STEP_S)]
    with serving(home, worker_command=command, devices=[]) as daemon:
        yield daemon


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Chains | None]]:
    """From which frame on several devices paint, and the chains."""
    found: list[tuple[int, Chains | None]] = []

    def several(film: Film, *more: Any) -> Chains | None:
        number, chains = film.index, film_chains.several(film, *more)
        found.append((number, chains))
        return chains

    monkeypatch.setattr(film_run, "several", several)
    return found


def planned(host: Host, begins: int, places: int = 3) -> dict[int, list[int]]:
    """What each frame from there on is to be held to, by the plan that the command line has, too."""
    steps = itertools.chain(*pieces(outline(host.film.looks, begins).scenes, places))
    return {
        step.number: list(dict.fromkeys(one for one in (step.last, step.first) if one is not None)) for step in steps
    }


def test_all_devices_paint_each_a_part_from_its_key_on(machine: Daemon, begun: list[tuple[int, Chains | None]]) -> None:
    host = Host(machine, drawings()).paint()
    assert (host.run.state.stage, host.is_whole()) == ("done", True)
    assert sorted(host.frames.puts) == list(range(COUNT)), "each is painted once"
    ((begins, _chains),) = begun
    wanted = planned(host, begins)
    assert {at: held for at, held in enumerate(host.held()) if at >= begins} == wanted
    assert len([held for at, held in wanted.items() if held and held[0] != at - 1]) == 2, "three pieces, with two keys"
    assert {recipe.device for recipe in list(host.recipes().values())[begins + 1 :]} == {"auto"}
    devices = {state.result["device"] for state in host.states.values()}
    assert devices == {"cuda:0", "cuda:1", "cuda:2"}
    told = [line for line in host.lines if f" of {COUNT} frames · " in line]
    assert told[0].startswith(f"{begins} of 14 frames · ")
    assert host.run.state.line.startswith("14 frames in ")
    host.forget()
    assert host.keeps() == []


def test_one_device_paints_one_frame_after_the_other_as_ever(daemon: Daemon, begun: list[Any]) -> None:
    host = Host(daemon, drawings(5), loop=True).paint()
    assert (host.run.state.stage, host.is_whole(), begun) == ("done", True, [])
    assert host.frames.puts == [0, 1, 2, 3, 4, 0]
    assert host.held()[1:] == [[0], [1, 0], [2, 0], [3, 0]]
    assert {recipe.device for recipe in list(host.recipes().values())[1:]} == {"auto"}
    host.forget()
    assert host.keeps() == []


def test_a_short_film_goes_on_with_one_device(machine: Daemon, begun: list[tuple[int, Chains | None]]) -> None:
    host = Host(machine, drawings(4)).paint()
    assert (host.is_whole(), host.frames.puts) == (True, [0, 1, 2, 3])
    assert [chains for _number, chains in begun] == [None]


def test_cuts_equal_frames_and_empty_ones_are_what_they_are_to_one_device(
    machine: Daemon, begun: list[tuple[int, Chains | None]]
) -> None:
    places = (0, 0, 4, 8, 12, 16, 20, 4)
    shown: list[Pixels | None] = [drawing(place, scene) for scene in (1, 2) for place in places]
    shown[5] = None
    host = Host(machine, shown).paint()
    assert (host.run.state.stage, host.is_whole()) == ("done", True)
    assert sorted(host.frames.puts) == [0, 2, 3, 4, 6, 8, 10, 11, 12, 13, 14]
    ((begins, chains),) = begun
    assert chains is not None
    assert (host.held()[6][0], host.held()[8]) == (planned(host, begins)[6][0], [])
    assert (host.film.painted, host.film.empty) == (15, 1)


@pytest.mark.parametrize("boil", [0.5, 1.0])
def test_a_loop_closes_and_each_frame_boils_with_a_seed_of_its_own(machine: Daemon, boil: float) -> None:
    host = Host(machine, drawings(), loop=True, boil=boil).paint()
    assert host.is_whole()
    closes = [] if boil == 1 else [0]
    assert sorted(host.frames.puts) == sorted([*range(COUNT), *closes])
    last = host.recipes()[blob(host.frames.shown[0])]
    assert [before.content.blob for before in last.held] == [
        blob(host.frames.shown[at]) for at in (13, 1)[: 2 * len(closes)]
    ]
    seeds = [host.recipes()[blob(one)].seed for one in host.frames.shown]
    assert seeds == [SEED + at for at in range(COUNT)]
    host.forget()
    assert host.keeps() == []


def test_stop_keeps_what_is_done_and_leaves_nothing_to_paint(machine: Daemon, begun: list[Any]) -> None:
    host = Host(machine, drawings())
    host.until_painted(5)
    assert begun, "several devices paint"
    host.run.cancel()
    host.paint()
    done = len(host.frames.puts)
    assert (host.run.state.stage, 5 <= done < COUNT) == ("done", True)
    assert host.run.state.line.startswith(f"{done} of 14 frames in ")
    assert all(host.frames.paintings[at] == negative(bytes(host.frames.shown[at].data)) for at in host.frames.puts)
    host.run.join(30)
    with machine.client() as client:
        assert all(job.final for job in client.jobs())
    host.forget()
    assert host.keeps() == []


def test_what_fails_stops_the_others_and_trying_again_paints_each_of_the_rest_once(
    machine: Daemon, begun: list[tuple[int, Chains | None]]
) -> None:
    host = Host(machine, drawings())
    bad = machine.home / f"diverges-{blob(host.frames.shown[8])}"
    bad.touch()
    host.paint()
    assert (host.run.state.stage, host.run.state.error.code) == ("failed", "diverged")
    assert 8 not in host.frames.puts
    bad.unlink()
    host.run.again()
    assert not host.run.state.ended
    host.paint()
    assert (host.run.state.stage, host.is_whole()) == ("done", True)
    assert sorted(host.frames.puts) == list(range(COUNT))
    ((begins, _chains),) = begun
    held = {at: held for at, held in enumerate(host.held()) if at >= begins}
    assert held == planned(host, begins), "none counts that was begun without the frame that it follows"


@pytest.mark.parametrize("forgets", ["nothing", "its jobs", "its jobs and pictures"])
def test_a_daemon_that_dies_and_comes_back_is_given_what_it_has_forgotten(
    machine: Daemon, begun: list[Any], forgets: str
) -> None:
    host = Host(machine, drawings(20))
    host.until_painted(6)
    assert begun
    machine.kill()
    for path in (machine.home / "spool").rglob("*"):
        lost = forgets.endswith("pictures") or (forgets == "its jobs" and path.parent.name == "jobs")
        if lost and path.is_file() and path.suffix != ".lock":
            path.unlink()
    machine.start()
    host.paint()
    if host.run.state.stage == "failed":  # it was asked for something while it was away: the person tries again
        assert host.run.state.error.code in ("no_daemon", "link_lost")
        host.run.again()
        host.paint()
    assert (host.run.state.stage, host.is_whole()) == ("done", True)
    assert sorted(host.frames.puts) == list(range(20)), "each is put once"


def test_a_queue_with_less_room_than_the_devices_could_use_is_waited_for(home: Path) -> None:
    command = [*FAKE_WORKER, "--gpus", "24,24,24", "--step", str(STEP_S)]
    with serving(home, worker_command=command, devices=[], max_jobs=1) as daemon:
        host = Host(daemon, drawings()).paint()
    assert (host.run.state.stage, host.is_whole()) == ("done", True), host.run.state
    errors = [state.error.code for state in host.states.values() if state.error is not None]
    assert "busy" in errors


class LostError(Exception):
    """The host has closed the document."""


def test_a_host_whose_frames_are_gone_gives_up_with_what_is_painted(machine: Daemon, begun: list[Any]) -> None:
    host = Host(machine, drawings())
    host.until_painted(4)
    assert begun

    def put(_number: int, _image: Image, _pixels: object) -> None:
        raise LostError

    host.frames.put = put
    with pytest.raises(LostError):
        host.paint()
    assert host.run.give_up().stage == "done"
    host.run.join(30)
    with machine.client() as client:
        until(lambda: all(job.final for job in client.jobs()), "nothing is painted any more")
