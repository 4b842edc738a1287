"""What both editors do with the history: pixels in their order, settings in their words, sentences for people."""

from __future__ import annotations

import queue
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from support.daemon import ended, picture, recipe, serving
from support.router import Router
from vaporbrush_daemon.images import pixels as wire
from vaporbrush_host import history
from vaporbrush_host.daemon_monitor import BundledStyle
from vaporbrush_host.history import Failed, HistoryThread, Listed, Recalled
from vaporbrush_host.regions import Place
from vaporbrush_protocol import Image, RequestError, Style

MOSAIC = BundledStyle("mosaic", "Mosaic", "", {}, b"", 0, 0)


def answer(connect, act):
    """What a thread posts."""
    posted: queue.SimpleQueue[object] = queue.SimpleQueue()
    HistoryThread(act, posted.put, connect).start()
    return posted.get(timeout=30)


@pytest.mark.parametrize("depth", ["u8", "u16", "f16", "f32"])
@pytest.mark.parametrize("channels", ["RGB", "RGBA", "BGRA", "GRAY", "GRAYA"])
@pytest.mark.parametrize("wanted", ["RGBA", "BGRA"])
def test_a_painting_of_any_program_has_the_same_pixels_in_the_editors_order(depth, channels, wanted) -> None:
    look = np.random.default_rng(1).random((3, 5, 4), np.float32)
    if "G" in channels[:1]:
        look[..., :3] = look[..., :1]
    image = Image("", 5, 3, channels, depth)
    data = wire.encode(look, image)
    made, found = history.four_channels(image, data, wanted)
    assert (made.channels, made.depth, len(found)) == (wanted, depth, 3 * 5 * 4 * len(history.OPAQUE[depth]))
    before, after = wire.decode(data, image)[0], wire.decode(found, made)[0]
    assert np.array_equal(before, after)


def test_a_painting_comes_back_with_styles_and_values_that_the_editor_can_show(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        asked = recipe(client, tint=1, strength=321.0)
        mask = Image.of(bytes([0] * 128 + [255] * 128), 16, 16, "GRAY")
        client.upload(bytes([0] * 128 + [255] * 128))
        styles = (replace(asked.styles[0], weight=2.0, mask=mask), Style(name="mosaic"))
        asked = replace(asked, styles=styles)
        job = ended(client, client.submit(asked, label="Layer 1", style_names=["wet/ink.jpg", "Mosaic"]))
        client.release(job.job)
        listed = answer(daemon.client, lambda client: history.listed(client, {}))
        assert isinstance(listed, Listed)
        (shown,) = listed.entries
        assert len(shown.thumb) == 16 * 16 * 3
        assert history.caption(shown.entry, shown.entry.at, [MOSAIC]) == "wet/ink.jpg + Mosaic\njust now"
        assert "Layer 1" in history.tip(shown.entry)
        assert "the last 50 are kept" in listed.line
        found = answer(
            daemon.client,
            lambda client: history.recalled(client, job.job, pixels=True, order=lambda _image: "BGRA"),
        )
        assert isinstance(found, Recalled)
        assert found.image.channels == "BGRA"
        values = history.values_of(found.recipe, {"device": "cuda:1", "use_selection": False, "strength": 1.0})
        assert (values["strength"], values["device"], values["use_selection"]) == (321.0, "cuda:1", False)
        ink, mosaic = history.refs_of(found, Place(10, 20, 16, 16), [MOSAIC], home, str)
        assert (mosaic.kind, mosaic.name, mosaic.region) == ("bundled", "mosaic", None)
        assert (ink.kind, ink.weight) == ("file", 2.0)
        assert ink.region is not None
        assert ink.region.place == Place(10, 28, 16, 8), "where it painted"
        kept = np.asarray(Pillow.open(ink.name).convert("RGB")).tobytes()
        assert kept == picture(tint=101)[1], "its picture, from which it can be painted again"
        assert Path(ink.name).name.startswith("ink-")


def test_a_style_of_light_itself_becomes_a_picture_that_looks_like_it(tmp_path: Path) -> None:
    look = np.random.default_rng(2).random((4, 4, 4), np.float32)
    for depth in ("u16", "f16", "f32"):
        image = Image("", 4, 4, "RGBA", depth, "linear")
        pixels = history._for_file(image, wire.encode(look, image))
        assert (pixels.depth, pixels.transfer) == ("u16", "srgb")
        shown = np.frombuffer(pixels.data, "<u2").reshape(4, 4, 4) / 65535
        assert np.abs(shown - look).max() < 0.002


def test_what_cannot_be_had_is_one_sentence(home: Path) -> None:
    home.mkdir(mode=0o700)
    with Router(home) as router:
        router.answers["history"] = lambda _: RequestError("unknown_request", "`request` is 'history'.")
        from vaporbrush_protocol import Client

        told = answer(lambda: Client(router.connection, 5), lambda client: history.listed(client, {}))
        assert told == Failed(history.OLD_DAEMON)


def test_times_are_said_as_people_say_them() -> None:
    assert [history.ago(seconds) for seconds in (-5, 59, 60, 3599, 7200)] == [
        "just now", "just now", "1 min ago", "59 min ago", "2 h ago",
    ]  # fmt: skip
    assert history.ago(30 * 86400) == time.strftime("%x", time.localtime(time.time() - 30 * 86400))
