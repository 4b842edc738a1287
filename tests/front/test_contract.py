"""What the specification promises beyond the form of messages, asked of a real daemon."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
import zmq

from support import fake_worker as fake
from support import misshapen
from support.daemon import FAKE_WORKER, Daemon, ended, negative, picture, recipe, running, serving, until
from vaporbrush_daemon import machine
from vaporbrush_daemon.config import Config
from vaporbrush_daemon.front.models import Models
from vaporbrush_protocol import Client, Connection, Image, Recipe, RemoteError, Style
from vaporbrush_protocol.codec import decode, encode
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.link import Link

STRANGE_REQUESTS = 400
PYTHON = misshapen.PYTHON
WAIT_S = 20.0


def test_strange_requests_are_refused_with_their_id_and_without_python_s_words(daemon: Daemon, client: Client) -> None:
    client.styles()  # which their first reader waits for
    asked = [
        header for header in misshapen.requests() if header["request"] not in ("shutdown", "fetch_model", "unload")
    ]
    link = Link.open(client.connection)
    refused = 0
    try:
        for header in random.Random(16).sample(asked, STRANGE_REQUESTS):
            if isinstance(header.get("wait_s"), (int, float)):
                header["wait_s"] = 0
            link.send(misshapen.frames(header), WAIT_S)
            said, _ = decode(link.receive(WAIT_S))
            assert said["id"] == header["id"]
            refused += not said["ok"]
            if not said["ok"]:
                assert said["error"]["code"] != "internal", said["error"]
                assert not PYTHON.search(said["error"]["message"]), said["error"]["message"]
    finally:
        link.close()
    assert refused > STRANGE_REQUESTS / 2
    assert "Traceback" not in daemon.log()


def refusal(ask: object, *arguments: object) -> str:
    with pytest.raises(RemoteError) as refused:
        ask(*arguments)
    return refused.value.code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"content": Image("0" * 64, 15, 400)}, "too_small"),
        ({"content": Image("0" * 64, 4000, 400), "size": 100}, "too_small"),  # its shorter side would be 10
        ({"styles": (Style(name="nobody"),)}, "unknown_style"),
        ({"model": "vgg99"}, "unknown_model"),
    ],
)
def test_what_an_estimate_refuses_a_job_is_refused_for_before_it_is_queued(
    client: Client, changes: dict[str, object], code: str
) -> None:
    wanted = replace(Recipe(Image("0" * 64, 64, 64), (Style(name="vaporwave"),)), **changes)
    assert refusal(client.estimate, wanted) == code
    job = str(uuid.uuid4())
    assert refusal(client.submit, wanted, job) == code
    assert refusal(client.watch, job) == "unknown_job"


def test_what_fits_only_when_others_have_ended_is_neither_refused_nor_promised_too_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = Models(Config(home=tmp_path, weights=__file__))
    wanted = Recipe(Image("", 2000, 2000), (Style(name="vaporwave"),), size="full")
    monkeypatch.setattr(machine, "free_memory", lambda: 10**9)
    monkeypatch.setattr(machine, "all_memory", lambda: 64 * 10**9)
    assert models.forecast(wanted, "cpu").plan.memory_bytes > 10**9
    monkeypatch.setattr(machine, "all_memory", lambda: 10**9)
    with pytest.raises(VaporbrushError) as refused:
        models.forecast(wanted, "cpu")
    assert refused.value.code == "out_of_memory"


def test_an_estimate_counts_the_start_of_a_worker_as_the_last_one_took(home: Path) -> None:
    slow = [*FAKE_WORKER, "--start", "slow"]
    with serving(home, worker_command=slow) as daemon, daemon.client() as client:
        wanted = recipe(client)
        ended(client, client.submit(wanted))
        warm = client.estimate(wanted)["seconds"]
        client.unload()
        until(lambda: not daemon.worker_pid(), "the worker has ended")
        cold = client.estimate(wanted)["seconds"]
        assert cold >= warm + fake.SLOW_START_S + fake.SLOW_LOAD_S
        daemon.stop()
        daemon.start()  # and the next daemon knows it, too
    with serving(home, worker_command=slow) as daemon, daemon.client() as client:
        assert client.estimate(wanted)["seconds"] == pytest.approx(cold)
        (daemon.home / "cache" / "starts.json").write_bytes(b'{"cpu": [')
        assert client.estimate(wanted)["seconds"] > warm  # a guess
        ended(client, client.submit(recipe(client)))
        assert client.estimate(wanted)["seconds"] == pytest.approx(warm)


def test_a_released_job_runs_again_and_its_picture_is_there_again(client: Client) -> None:
    wanted = recipe(client)
    done = ended(client, client.submit(wanted, str(uuid.uuid4())))
    client.release(done.job)
    assert refusal(client.download, done.image) == "unknown_blob"
    assert client.watch(done.job).state == "done"
    again = client.submit(wanted, done.job)
    assert again.result is None
    assert again.seq > done.seq
    again = ended(client, again)
    assert bytes(client.download(again.image)) == negative(picture()[1])


def test_a_released_job_runs_again_after_a_restart_too(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        wanted = recipe(client)
        done = ended(client, client.submit(wanted, str(uuid.uuid4())))
        client.release(done.job)
    with serving(home) as daemon, daemon.client() as client:
        assert ended(client, client.submit(wanted, done.job)).seq > done.seq
        assert bytes(client.download(done.image)) == negative(picture()[1])


def test_a_cancelled_job_stays_cancelled_when_it_is_submitted_again(client: Client) -> None:
    wanted = recipe(client, fake.ENDLESS)
    job = running(client, client.submit(wanted, str(uuid.uuid4())))
    client.cancel(job.job)
    again = client.submit(wanted, job.job)
    assert (again.state, again.error.code) == ("cancelled", "cancelled")


def test_a_result_that_somebody_else_submits_stays_until_that_is_painted(client: Client) -> None:
    done = ended(client, client.submit(recipe(client)))
    block = running(client, client.submit(recipe(client, fake.ENDLESS, tint=3)))
    style, _ = picture(tint=100)
    theirs = client.submit(Recipe(done.image, (Style(image=style),)))
    client.release(done.job)
    client.cancel(block.job)
    assert ended(client, theirs).state == "done"
    client.release(theirs.job)
    assert refusal(client.submit, Recipe(replace(done.image, blob="0" * 64), (Style(image=style),))) == "unknown_blob"


def test_two_connections_with_one_routing_id_get_each_its_own_replies(daemon: Daemon) -> None:
    connection = Connection.read(daemon.home)
    with zmq.Context() as context, context.socket(zmq.DEALER) as first, context.socket(zmq.DEALER) as second:
        for dealer in (first, second):
            dealer.linger = 0
            dealer.routing_id = b"the same"
            dealer.plain_username, dealer.plain_password = b"vaporbrush", connection.token.encode()
            dealer.connect(connection.endpoints[0])
        for number in (1, 3):
            for dealer, name in ((first, number), (second, number + 1)):
                dealer.send_multipart([*map(bytes, encode({"id": name, "request": "ping"}))])
            for dealer, name in ((second, number + 1), (first, number)):
                assert dealer.poll(20_000)
                assert decode(dealer.recv_multipart())[0]["id"] == name
