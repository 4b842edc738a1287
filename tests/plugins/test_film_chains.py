"""What a host makes of what the runs of a film on several devices report, in whatever order: no daemon, no thread."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from support.daemon import negative
from support.film_frames import FilmFrames
from support.paint_request import order
from vaporbrush_host.film import Film, Manner
from vaporbrush_host.film_chains import Chains, several
from vaporbrush_host.job_threads import RunState
from vaporbrush_host.request import PaintRequest, Pixels
from vaporbrush_protocol import RemoteError
from vaporbrush_protocol.job import Job

SIDE = 32
COUNT = 12
SEED = 100


def drawing(place: int) -> Pixels:
    picture = np.full((SIDE, SIDE, 3), 240, np.uint8)
    picture[8:14, place : place + 6] = 20
    return Pixels(picture.tobytes(), SIDE, SIDE, "RGB")


class StandIn:
    """A run that does what the test says."""

    def __init__(self, number: int, asked: PaintRequest, **more: Any) -> None:
        self.key, self.number = f"job {number}", number
        self.order: PaintRequest | None = asked
        self.follows, self.earlier = more.get("follows"), more.get("earlier", ())
        self.submitted = threading.Event()
        self.state = RunState(self.key, "Starry")
        self.cancelling = False
        self.left: tuple[str, ...] = ()

    def cancel(self) -> None:
        self.cancelling = True

    def forget(self) -> None:
        self.order = None

    def ends(self, stage: str, code: str = "") -> RunState:
        """Its last report."""
        if stage == "done":
            assert self.order is not None
            pixels = negative(bytes(self.order.content.data))
            image = replace(self.order.content, data=pixels).image().to_wire()
            recipe = {"size": SIDE, "model": "vgg19", "device": "cuda:0"}
            job = Job(self.key, "done", 1, result={"image": image, "canvas": image, "recipe": recipe})
            self.state = replace(self.state, stage="done", job=job, pixels=pixels)
        else:
            self.state = replace(self.state, stage=stage, error=RemoteError(code, "No.") if code else None)
        return self.state


class Devices:
    """Two devices that paint a film, whose first frame is painted. `runs` are what was begun, the newest of a frame."""

    def __init__(self) -> None:
        self.frames = FilmFrames([drawing(2 * place) for place in range(COUNT)])
        self.film = Film(self.frames, Manner(), SEED)
        self.runs: dict[int, StandIn] = {}
        content = self.film.advance()
        assert content is not None
        first = self.begin(replace(order(SEED), content=content))
        self.film.put(content, first.ends("done"))
        asked = self.film.following(first.order)
        run = self.begin(asked)
        while not self.film.look():
            pass
        chains = several(self.film, asked, run, 2, self.begin)
        assert chains is not None
        self.chains: Chains = chains
        self.tick()

    def begin(self, asked: PaintRequest, **more: Any) -> StandIn:
        number = [one.data for one in self.frames.shown].index(asked.content.data)
        self.runs[number] = StandIn(number, asked, **more)
        return self.runs[number]

    def tick(self) -> None:
        while self.chains.tick():
            pass

    def report(self, number: int, stage: str, code: str = "") -> None:
        """The run of a frame has ended."""
        self.chains.take(self.runs[number].ends(stage, code))

    def under_way(self) -> list[int]:
        return sorted(sent.step.number for sent in self.chains.under_way)


@pytest.fixture
def devices() -> Devices:
    return Devices()


KEY = 7  # of the second piece


def test_of_each_chain_two_are_under_way_and_each_follows_the_job_before_it(devices: Devices) -> None:
    assert devices.under_way() == [1, 2, KEY, KEY + 1]
    follows = {number: devices.runs[number].follows for number in devices.under_way()}
    assert follows == {1: None, 2: "job 1", KEY: "job 1", KEY + 1: f"job {KEY}"}
    assert [before.content for before in devices.runs[KEY].order.held] == [devices.frames.shown[0]]


def test_what_follows_is_put_only_after_what_it_follows(devices: Devices) -> None:
    devices.report(2, "done")
    devices.report(KEY, "done")
    assert devices.frames.puts == [0]
    devices.report(1, "done")
    assert devices.frames.puts == [0, 1, 2, KEY]


def test_what_was_painted_without_the_frame_that_it_follows_does_not_count(devices: Devices) -> None:
    devices.report(2, "done")
    devices.report(KEY, "done")
    devices.report(1, "failed", "diverged")
    assert devices.frames.puts == [0]
    assert devices.chains.failed is not None
    assert devices.runs[KEY + 1].cancelling
    devices.report(KEY + 1, "cancelled")
    assert devices.under_way() == []
    devices.chains.again()
    devices.tick()
    assert devices.under_way() == [1, 2, KEY, KEY + 1]
    assert devices.runs[2].follows == "job 1"


def test_a_frame_whose_job_before_was_forgotten_is_held_to_its_painting(devices: Devices) -> None:
    devices.report(2, "failed", "unknown_job")
    devices.report(1, "done")
    devices.tick()
    again = devices.runs[2]
    assert (again.follows, again.cancelling, devices.chains.failed) == (None, False, None)
    assert [before.content for before in again.order.held] == [devices.frames.shown[1], devices.frames.shown[0]]


def test_a_job_that_somebody_else_cancels_stops_the_film(devices: Devices) -> None:
    devices.report(1, "cancelled")
    assert devices.chains.stopping
    assert all(run.cancelling for number, run in devices.runs.items() if number > 1)
    assert not devices.chains.tick()


def test_jobs_that_nothing_is_held_to_any_more_are_forgotten_with_a_later_frame(devices: Devices) -> None:
    for number in (1, 2, 3, 4):
        devices.report(number, "done")
        devices.tick()
    forgotten = [job for run in devices.runs.values() for job in run.earlier]
    assert "job 0" not in forgotten, "the scene's first frame, to which all are held"
    assert "job 1" not in forgotten, "the key of the first piece, as long as that of the second is not painted"
    assert "job 2" in forgotten


def test_all_are_painted_once_whatever_comes_first(devices: Devices) -> None:
    chance = np.random.default_rng(1)
    while not devices.chains.over:
        devices.report(int(chance.choice(devices.under_way())), "done")
        devices.tick()
    assert sorted(devices.frames.puts) == list(range(COUNT))
