"""Long polls and previews. No socket, no real time."""

from __future__ import annotations

import pytest

from support.studio import Studio
from vaporbrush_daemon.scheduling.effects import (
    AnswerPoll,
    SendCommand,
)
from vaporbrush_daemon.scheduling.polls import PREVIEW_LINGER_S
from vaporbrush_daemon.workers.messages import Preview, ShowPreview

# -- polls


def test_a_poll_waits_for_a_change_and_is_answered_once() -> None:
    studio = Studio()
    job = studio.painting()
    poll = studio.watch(job)
    assert AnswerPoll(poll) not in studio.said
    studio.step(job, step=2, steps=10)
    studio.step(job, step=3, steps=10)
    assert studio.said.count(AnswerPoll(poll)) == 1


def test_a_poll_is_answered_at_once_when_it_is_behind_or_must_not_wait_or_the_job_has_ended() -> None:
    studio = Studio()
    job = studio.painting()
    behind, impatient = studio.watch(job, seen=0), studio.watch(job, wait_s=0.0)
    assert AnswerPoll(behind) in studio.said
    assert AnswerPoll(impatient) in studio.said
    studio.done(job)
    assert AnswerPoll(studio.watch(job, seen=99)) in studio.said


def test_a_poll_is_answered_without_news_when_its_time_is_up() -> None:
    studio = Studio()
    job = studio.painting()
    poll = studio.watch(job, wait_s=5.0)
    assert AnswerPoll(poll) not in studio.tick(4.9)
    assert studio.scheduler.next_deadline(studio.clock()) == pytest.approx(studio.clock() + 0.1)
    assert AnswerPoll(poll) in studio.tick(0.2)
    assert AnswerPoll(poll) not in studio.tick(100.0)


def test_previews_are_made_only_while_somebody_asks_and_only_the_latest_is_kept() -> None:
    studio = Studio()
    job = studio.submit()
    key = studio.slot().key
    studio.watch(job, preview=256)
    studio.ready()
    assert SendCommand(key, ShowPreview(256)) in studio.said, "asked before it ran"
    for number in range(1, 4):
        studio.step(job, step=number, preview=Preview(2, 1, bytes([number] * 6)))
    assert job.preview is not None
    assert (job.preview.number, job.preview.pixels) == (3, b"\3" * 6)
    studio.watch(job, preview=128)
    assert SendCommand(key, ShowPreview(128)) in studio.said
    studio.watch(job, preview=300)
    assert SendCommand(key, ShowPreview(300)) not in studio.said, "two watchers get what both can take"
    studio.step(job, step=4)
    studio.tick(30.0 + PREVIEW_LINGER_S)
    assert studio.said[-1] == SendCommand(key, ShowPreview(0))
    studio.done(job)
    assert job.preview is None


def test_a_poll_that_need_not_wait_asks_for_previews_too() -> None:
    studio = Studio()
    job = studio.painting()
    studio.watch(job, seen=0, preview=64)
    assert SendCommand(studio.slot().key, ShowPreview(64)) in studio.said
