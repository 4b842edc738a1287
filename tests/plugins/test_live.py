"""Live: the small painting follows what is asked for, grows while nothing changes, and is in nobody's way."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from support import fake_worker as fake
from support.daemon import Daemon, picture, recipe, serving, until
from vaporbrush_host import controls, live
from vaporbrush_host.live import LiveLine, LivePicture, LiveThread
from vaporbrush_host.request import PaintRequest, Pixels, StyleInput
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.errors import LinkError

SIDE, HEIGHT = 384, 48  # px of the layer: three rounds


def order(seed: int = fake.WELL, tint: int = 1, **values: Any) -> PaintRequest:
    _content, pixels = picture(SIDE, HEIGHT, tint=tint)
    _style, strokes = picture(tint=2)
    usual = controls.clean({"strength": 100.0, "style_scale": 1.0, **values, "seed": seed})
    return PaintRequest(Pixels(pixels, SIDE, HEIGHT, "RGB"), (StyleInput(Pixels(strokes, 16, 16, "RGB")),), usual)


class Watcher:
    """Somebody who looks on."""

    def __init__(self, daemon: Daemon) -> None:
        self.posted: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.seen: list[Any] = []
        self.thread = LiveThread(self.posted.put, daemon.client)
        self.thread.start()

    def until(self, check: Callable[[Any], bool]) -> Any:
        """What is posted next of this kind."""
        while True:
            news = self.posted.get(timeout=60)
            self.seen.append(news)
            if check(news):
                return news

    def until_line(self, text: str) -> None:
        found = self.until(lambda news: isinstance(news, LiveLine) and (text in news.line or news.error is not None))
        assert found.error is None, found.line

    def close(self) -> None:
        self.thread.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()


def recipes(client: Client) -> list[Any]:
    """What was painted, in order, as far as it has ended well."""
    found = [client.watch(job.job) for job in client.jobs()]
    return [job.result["recipe"] for job in found if job.result is not None]


def test_it_grows_from_round_to_round_each_from_the_one_before_and_then_rests(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        watcher = Watcher(daemon)
        watcher.thread.ask(order(), "layer")
        watcher.until_line(live.RESTS.format(side=SIDE))
        painted = recipes(client)
        assert [one["size"] for one in painted] == [160, 256, 384]
        assert [one["start_image"] is None for one in painted] == [True, False, False]
        assert {one["model"] for one in painted} == {live.MODEL}
        pictures = [news.preview for news in watcher.seen if isinstance(news, LivePicture)]
        assert (pictures[-1].width, pictures[-1].height) == (SIDE, HEIGHT)
        assert bytes(pictures[-1].pixels) == bytes(255 - byte for byte in picture(SIDE, HEIGHT, tint=1)[1])
        assert client.history().entries == ()
        watcher.close()
        assert all(job.final for job in client.jobs())


def test_a_change_ends_the_round_and_goes_on_from_what_there_is(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        watcher = Watcher(daemon)
        watcher.thread.ask(order(fake.ENDLESS), "layer")
        watcher.until(lambda news: isinstance(news, LivePicture))
        watcher.thread.ask(order(strength=55.0), "layer")
        watcher.until_line(live.RESTS.format(side=SIDE))
        first, second, *_more = recipes(client)
        assert (first["seed"], second["strength"]) == (fake.ENDLESS, 55.0)
        assert second["start_image"] is not None
        watcher.close()


def test_another_layer_begins_afresh(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        watcher = Watcher(daemon)
        watcher.thread.ask(order(), "one")
        watcher.until_line(live.RESTS.format(side=SIDE))
        watcher.thread.ask(order(tint=5), "two")
        watcher.until_line(live.RESTS.format(side=SIDE))
        assert [one["start_image"] is None for one in recipes(client)] == [True, False, False] * 2
        watcher.close()


def test_it_begins_from_the_layer_where_the_daemon_has_made_room_meanwhile(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        watcher = Watcher(daemon)
        watcher.thread.ask(order(), "layer")
        watcher.until_line(live.RESTS.format(side=SIDE))
        for job in client.jobs():
            client.release(job.job)
        watcher.thread.ask(order(strength=55.0), "layer")
        watcher.until_line(live.RESTS.format(side=SIDE))
        watcher.close()


def test_a_real_painting_comes_first_and_live_goes_on_after_it(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        watcher = Watcher(daemon)
        watcher.thread.ask(order(fake.ENDLESS), "layer")
        watcher.until(lambda news: isinstance(news, LivePicture))
        real = client.submit(recipe(client))
        until(lambda: client.watch(real.job).state == "done", "the painting is done, though live would paint for hours")
        watcher.until_line(live.PAINTING.format(side=256))
        watcher.until(lambda news: isinstance(news, LivePicture))
        watcher.close()
        until(lambda: all(job.final for job in client.jobs()), "the worker is free again")


def test_what_goes_wrong_is_a_sentence_and_the_next_change_is_painted(home: Path) -> None:
    with serving(home) as daemon:
        watcher = Watcher(daemon)
        broken = order()
        watcher.thread.ask(replace(broken, values={**broken.values, "device": "cuda:7"}), "layer")
        wrong = watcher.until(lambda news: isinstance(news, LiveLine) and news.error is not None)
        assert "cuda:7" in wrong.line
        watcher.thread.ask(order(), "layer")
        watcher.until_line(live.RESTS.format(side=SIDE))
        watcher.close()


def test_a_daemon_that_is_not_there_is_said_once_for_each_change() -> None:
    posted: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def connect() -> Client:
        raise LinkError("no_daemon", "Vaporbrush is not running.")

    thread = LiveThread(posted.put, connect)
    thread.start()
    for tint in (1, 2):
        thread.ask(order(tint=tint), "layer")
        assert posted.get(timeout=60).line == "Vaporbrush is not running."
    thread.stop()
    thread.join(30)
    assert posted.empty()
