"""A job that is cancelled while its node is only about to paint it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.lone_head import SLOT, LoneHead, lone_head, settled, until
from support.studio import asked
from vaporbrush_daemon.scheduling.policy import LOST_GRACE_S
from vaporbrush_daemon.studio.head import REST_S
from vaporbrush_daemon.workers.messages import Cancel, Failed, Paint, ShowPreview
from vaporbrush_daemon.workers.pool import Said
from vaporbrush_protocol.errors import RemoteError

JOB = "00000000-0000-4000-8000-000000000001"
PAINT = Paint(JOB, asked(JOB).recipe, {}, "/spool/coming")
CANCELLED = Failed(JOB, RemoteError("cancelled", "The job was cancelled."))


def codes(head: LoneHead) -> list[str]:
    """How the daemon is told that the job has failed."""
    return [event.error.code for event in head.events if isinstance(event, Failed) and event.job == JOB]


def test_a_cancel_that_meets_the_command_on_its_way_goes_after_it_and_the_node_answers(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with lone_head(home, monkeypatch) as head:
            head.desk.pictures.set()
            head.do(PAINT)
            await until(lambda: head.desk.asked_to_tell)
            head.do(ShowPreview(64), Cancel())
            await settled()
            assert head.events == [], "the node paints: only it can say that it does not any more"
            head.desk.commands.set()
            await until(lambda: len(head.desk.told) == 3)
            assert head.desk.told == [PAINT, ShowPreview(64), Cancel()]
            head.desk.news.put_nowait(Said(SLOT, CANCELLED))
            await until(lambda: head.events)
            await settled()
            assert codes(head) == ["cancelled"], "once"

    asyncio.run(scene())


def test_a_cancel_while_pictures_are_on_their_way_ends_the_job_at_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with lone_head(home, monkeypatch) as head:
            head.do(PAINT)
            await until(lambda: head.desk.asked)
            head.do(Cancel())
            await until(lambda: head.events)
            assert codes(head) == ["cancelled"]
            head.desk.pictures.set()
            head.desk.commands.set()
            await settled()
            assert head.desk.told == [], "its node never hears of it"
            head.do(PAINT)
            await until(lambda: head.desk.told == [PAINT])

    asyncio.run(scene())


def test_a_node_whose_disk_was_full_is_back_before_what_waits_for_it_is_given_up() -> None:
    assert REST_S <= LOST_GRACE_S / 2
