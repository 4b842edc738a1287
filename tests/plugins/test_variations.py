"""Variations: which there are, and that they are painted small, one after the other, until somebody has seen enough."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any

from support import fake_worker as fake
from support.daemon import picture, serving, until
from vaporbrush_host import controls, variations
from vaporbrush_host.request import PaintRequest, Pixels, StyleInput
from vaporbrush_host.variations import VariationsEnded, VariationsThread, Varied

USUAL = controls.clean({"strength": 100.0, "style_scale": 1.0, "seed": fake.WELL})


def order(**values: Any) -> PaintRequest:
    _content, pixels = picture(tint=1)
    _style, strokes = picture(tint=2)
    style = StyleInput(Pixels(strokes, 16, 16, "RGB"))
    return PaintRequest(Pixels(pixels, 16, 16, "RGB"), (style,), {**USUAL, **values})


def test_the_grid_goes_to_the_ends_of_the_ranges_and_no_further() -> None:
    found = variations.by_look(USUAL)
    assert [(one.changes["strength"], one.changes["style_scale"]) for one in found] == [
        (strength, scale) for strength in (20.0, 100.0, 500.0) for scale in (0.5, 1.0, 2.0)
    ]
    low = controls.BY_NAME["strength"].low
    at_the_end = variations.by_look({**USUAL, "strength": low})
    assert len({one.changes["strength"] for one in at_the_end}) == len(at_the_end) // 3 == 2
    assert min(one.changes["strength"] for one in at_the_end) == low
    assert controls.clean({**USUAL, **at_the_end[0].changes})["strength"] == low


def test_seeds_begin_with_the_present_one_and_go_around_at_their_end() -> None:
    seeds = [one.changes["seed"] for one in variations.by_seed({**USUAL, "seed": controls.BY_NAME["seed"].high - 1})]
    assert seeds[:3] == [controls.BY_NAME["seed"].high - 1, controls.BY_NAME["seed"].high, 0]
    assert all(one.changes["start"] == "noise" for one in variations.by_seed(USUAL))


def test_each_is_painted_small_and_shown_and_none_is_in_the_history(home: Path) -> None:
    posted: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with serving(home) as daemon:
        wanted = variations.by_look(USUAL)
        VariationsThread(7, order(steps=9000, size=2000), wanted, posted.put, daemon.client).start()
        seen = [posted.get(timeout=60) for _ in range(10)]
        assert [(one.ticket, one.number) for one in seen[:9]] == [(7, number) for number in range(9)]
        assert all(isinstance(one, Varied) and one.image.channels == "RGBA" for one in seen[:9])
        assert seen[9] == VariationsEnded(7)
        with daemon.client() as client:
            assert client.history().entries == ()
            recipes = [client.watch(job.job).result["recipe"] for job in client.jobs()]
            assert [one["strength"] for one in recipes] == [one.changes["strength"] for one in wanted]
            assert all(one["quality"] == "draft" and one["steps"] == variations.STEPS for one in recipes)


def test_who_has_seen_enough_ends_the_one_that_is_being_painted(home: Path) -> None:
    posted: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with serving(home) as daemon:
        thread = VariationsThread(1, order(seed=fake.ENDLESS), variations.by_look(USUAL), posted.put, daemon.client)
        thread.start()
        with daemon.client() as client:
            until(lambda: any(job.state == "running" for job in client.jobs()), "it paints")
            thread.stop()
            assert posted.get(timeout=60) == VariationsEnded(1)
            assert [job.state for job in client.jobs()] == ["cancelled"]


def test_what_goes_wrong_is_one_sentence(home: Path) -> None:
    posted: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with serving(home) as daemon:
        VariationsThread(2, order(model="vgg99"), variations.by_look(USUAL), posted.put, daemon.client).start()
        ended = posted.get(timeout=60)
        assert "vgg99" in ended.sentence
