"""Paintings as both plug-ins run them, against a real daemon with the fake worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.daemon import Daemon, negative, picture, until
from support.fake_worker import DIES, DIES_ONCE, ENDLESS
from support.paint_request import order
from vaporbrush_host import controls, ui_text
from vaporbrush_host.job_threads import FetchThread, PaintThread, Run, RunState
from vaporbrush_host.request import Before, PaintRequest, Pixels
from vaporbrush_protocol import Image, LinkError, RemoteError


class Watched:
    """A run and all that it reported."""

    def __init__(self, make: Callable[[Callable[[RunState], None]], Run]) -> None:
        self.states: list[RunState] = []
        self.run = make(self.states.append)
        self.run.start()

    def ends(self) -> RunState:
        self.run.join(30)
        assert self.run.state.ended, self.run.state
        return self.run.state

    def reaches(self, stage: str) -> None:
        until(lambda: self.run.state.stage == stage or self.run.state.ended, stage)
        assert self.run.state.stage == stage, self.run.state


def paints(daemon: Daemon, what: PaintRequest, **more: Any) -> Watched:
    return Watched(lambda post: PaintThread(what, post, daemon.client, **more))


def test_a_painting_passes_through_its_stages(daemon: Daemon) -> None:
    watched = paints(daemon, order())
    state = watched.ends()
    assert state.stage == "done"
    assert bytes(state.pixels or b"") == negative(picture()[1])
    stages = list(dict.fromkeys(one.stage for one in watched.states))
    assert stages[:2] == ["connecting", "sending"]
    assert stages[-1] == "done"


def test_a_preview_comes_while_it_paints(daemon: Daemon) -> None:
    watched = paints(daemon, order(ENDLESS))
    until(lambda: watched.run.state.preview, "a preview")
    watched.run.cancel()
    assert watched.ends().stage == "cancelled"


def test_keep_this_delivers_what_there_is(daemon: Daemon) -> None:
    watched = paints(daemon, order(ENDLESS))
    watched.reaches("running")
    watched.run.finish()
    state = watched.ends()
    assert (state.stage, state.result["stopped"]) == ("done", "finish")


def test_cancel_frees_the_worker(daemon: Daemon) -> None:
    watched = paints(daemon, order(ENDLESS))
    watched.reaches("running")
    watched.run.cancel()
    assert watched.ends().stage == "cancelled"
    assert paints(daemon, order(tint=9)).ends().stage == "done"


def test_paintings_queue_in_the_order_they_were_asked_for(daemon: Daemon) -> None:
    blocker = paints(daemon, order(ENDLESS))
    blocker.reaches("running")
    runs = [blocker]
    for number in range(4):
        runs.append(paints(daemon, order(tint=number), after=runs[-1].run))
    runs[-1].reaches("queued")
    with daemon.client() as client:
        assert [job.job for job in client.jobs()] == [watched.run.key for watched in runs]
    blocker.run.cancel()
    assert all(watched.ends().stage == "done" for watched in runs[1:])


def test_what_happened_on_the_way_is_told_as_soon_as_it_is_known(daemon: Daemon) -> None:
    watched = paints(daemon, order(DIES_ONCE))
    state = watched.ends()
    assert state.stage == "done"
    assert state.note.endswith("the job was started again.")
    assert ui_text.caveats(state.result, state.note) == [state.note]
    assert any(one.note for one in watched.states if not one.ended)


def test_a_failed_job_reports_its_error(daemon: Daemon) -> None:
    state = paints(daemon, order(DIES)).ends()
    assert state.stage == "failed"
    assert state.error is not None
    assert state.error.code == "worker_crashed"
    assert "RemoteError" in state.report


def test_without_a_daemon_a_run_fails_with_the_next_step(home: Path) -> None:
    def nobody() -> Any:
        raise LinkError("no_daemon", "No daemon answers.")

    state = Watched(lambda post: PaintThread(order(), post, nobody)).ends()
    assert state.error is not None
    assert ui_text.next_step(state.error.code)


def test_a_defect_ends_in_a_report_and_not_in_silence(daemon: Daemon) -> None:
    broken = PaintRequest(content=Pixels(b"short", 99, 99), styles=order().styles, values=controls.defaults())
    state = paints(daemon, broken).ends()
    assert state.stage == "failed"
    assert "99×99" in state.line


def test_a_later_frame_starts_from_the_earlier_one_which_is_then_forgotten(daemon: Daemon) -> None:
    first = paints(daemon, order(), keep_canvas=True).ends()
    assert first.job is not None
    canvas = first.job.canvas
    assert canvas is not None
    with daemon.client() as client:
        assert len(client.download(canvas)) == canvas.size_bytes
    second = paints(daemon, order(tint=50, start=canvas), keep_canvas=True, earlier=(first.job.job,)).ends()
    assert second.result["recipe"]["start_image"]["blob"] == canvas.blob
    with daemon.client() as client, pytest.raises(RemoteError) as gone:
        client.download(canvas)
    assert gone.value.code == "unknown_blob"


def test_a_frame_whose_earlier_one_is_lost_begins_as_the_first_did(daemon: Daemon) -> None:
    lost = Image("1" * 64, 8, 6, "RGB", "f32")
    state = paints(daemon, order(start=lost)).ends()
    assert state.stage == "done", state.line
    assert state.result["recipe"].get("start_image") is None


def test_a_frame_is_held_to_earlier_ones_and_to_none_where_they_are_lost(daemon: Daemon) -> None:
    first = paints(daemon, order(), keep_canvas=True).ends()
    assert first.job is not None
    assert first.job.canvas is not None
    before = order().content
    held = (Before(before, first.job.canvas),)
    second = paints(daemon, order(tint=50, held=held)).ends()
    assert [one["content"]["blob"] for one in second.result["recipe"]["held"]] == [before.image().blob]
    lost = (Before(before, Image("1" * 64, 16, 16, "RGB", "f32")),)
    third = paints(daemon, order(tint=60, held=lost)).ends()
    assert third.stage == "done", third.line
    assert third.result["recipe"]["held"] == []


def test_a_daemon_that_dies_fails_the_painting(daemon: Daemon) -> None:
    watched = paints(daemon, order(ENDLESS))
    watched.reaches("running")
    daemon.kill()
    state = watched.ends()
    assert state.error is not None
    assert state.error.code in ("no_daemon", "link_lost")
    daemon.start()


def test_a_model_that_is_here_is_fetched_at_once(daemon: Daemon) -> None:
    assert Watched(lambda post: FetchThread("vgg19", post, daemon.client)).ends().stage == "done"
