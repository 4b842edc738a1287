"""Whoever waits for a reply gets one, also when the daemon ends."""

from __future__ import annotations

import os
import signal
import uuid
from pathlib import Path

import msgpack
import pytest
import zmq

from support import fake_worker as fake
from support.daemon import Daemon, bystander, ended, negative, picture, recipe, running, serving, until
from vaporbrush_protocol import Connection, codec


@pytest.mark.parametrize("now", [True, False])
def test_polls_that_wait_are_answered_when_the_daemon_is_shut_down(home: Path, now: bool) -> None:
    """They once got nothing, and waited for as long as their clients' patience."""
    with (
        serving(home, drain_s=2.0) as daemon,
        zmq.Context() as context,
        context.socket(zmq.DEALER) as dealer,
        daemon.client() as client,
    ):
        connection = Connection.read(home)
        dealer.linger = 0
        dealer.plain_username, dealer.plain_password = b"vaporbrush", connection.token.encode()
        dealer.connect(connection.endpoints[0])
        busy = running(client, client.submit(recipe(client, fake.DEAF), lease_s=60.0))
        waiting = client.submit(recipe(client, tint=1), str(uuid.uuid4()), lease_s=60.0)
        for number, job in enumerate((busy, waiting)):
            header = {"id": number, "request": "watch", "job": job.job, "seen": 10**9, "wait_s": 30.0}
            dealer.send_multipart(list(map(bytes, codec.encode(header))))
        dealer.send_multipart(list(map(bytes, codec.encode({"id": 2, "request": "ping"}))))
        assert dealer.poll(120_000), "the daemon hears it"
        assert msgpack.unpackb(dealer.recv_multipart()[1])["id"] == 2  # so the others have arrived, too
        client.shutdown(now=now)
        replies = {}
        while len(replies) < 2:
            assert dealer.poll(120_000), f"only {replies} came"
            reply = msgpack.unpackb(dealer.recv_multipart()[1])
            replies[reply["id"]] = reply
        assert replies[1].get("state") == "failed", replies
        assert replies[1]["error"]["code"] == "shutting_down"
        assert replies[0]["ok"] is True or replies[0]["error"]["code"] == "shutting_down"
        assert daemon.process.wait(120) == 0


def test_sigterm_lets_the_running_job_deliver_and_tells_those_who_wait(home: Path) -> None:
    daemon = Daemon(home).start()
    with daemon.client() as client:
        working = running(client, client.submit(recipe(client, fake.ENDLESS, tint=1)))
        waiting = client.submit(recipe(client, tint=2))
    assert daemon.stop() == 0
    daemon.start()
    try:
        with daemon.client() as client:
            delivered = client.watch(working.job)
            assert (delivered.state, delivered.result["stopped"]) == ("done", "finish")
            assert bytes(client.download(delivered.image)) == negative(picture(tint=1)[1])
            assert client.watch(waiting.job).error.code == "shutting_down"
            assert ended(client, client.submit(recipe(client, tint=2), waiting.job)).state == "done"
    finally:
        daemon.stop()


def test_a_second_signal_ends_it_at_once(home: Path) -> None:
    daemon = Daemon(home, drain_s=600.0).start()
    with daemon.client() as client:
        working = running(client, client.submit(recipe(client, fake.DEAF)))
        os.kill(daemon.worker_pid(), signal.SIGSTOP)  # so that it cannot deliver
        daemon.process.send_signal(signal.SIGINT)
        until(lambda: "stopping" in daemon.log(), "the first signal arrives")
        assert client.ping() > 0
        with pytest.raises(Exception, match="ending"):
            client.submit(recipe(client, tint=4))
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.stop() == 0
    assert "at_once=True" in daemon.log()
    assert working.job in daemon.log()


def test_shutdown_ends_the_daemon(home: Path) -> None:
    for now in (False, True):
        daemon = Daemon(home).start()
        with daemon.client() as client:
            client.shutdown(now=now)
        assert daemon.process.wait(10) == 0
        daemon.stop()


def test_a_closed_terminal_does_not_end_it(home: Path) -> None:
    with serving(home) as daemon, bystander(daemon):
        daemon.process.send_signal(signal.SIGHUP)
