"""The client against a scripted daemon on a real libzmq ROUTER: requests, refusals, restarts."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from support.replies import recipe
from support.router import NEVER, RESTART, Router
from vaporbrush_protocol import Client, Image
from vaporbrush_protocol.codec import encode
from vaporbrush_protocol.endpoint import Connection
from vaporbrush_protocol.errors import LinkError, RemoteError, RequestError, VaporbrushError
from vaporbrush_protocol.limits import MAX_OUTSTANDING


def test_the_first_request_says_hello_by_name(router: Router, client: Client) -> None:
    assert client.daemon == {}
    assert client.ping() >= 0
    assert client.daemon["boot"] == "boot1"
    assert [type(request).__name__ for request in router.seen] == ["Hello", "Ping"]
    assert router.seen[0].client == "test"
    assert client.hello()["limits"]["max_outstanding"] == MAX_OUTSTANDING
    assert client.connection == router.connection


def test_plain_requests_return_their_reply(router: Router, client: Client) -> None:
    for name in ("status", "models", "styles", "unload"):
        router.answers[name] = {"it is": name}
        assert getattr(client, name)()["it is"] == name
    router.answers["estimate"] = lambda request: {"seconds": request.recipe.content.width}
    assert client.estimate(recipe(Image("", 640, 480)))["seconds"] == 640


def test_a_refusal_is_raised_and_the_connection_stays(router: Router, client: Client) -> None:
    router.answers["status"] = VaporbrushError("busy", "The queue is full.", retry_after_s=2.5)
    with pytest.raises(RemoteError, match="The queue is full") as refusal:
        client.status()
    assert (refusal.value.code, refusal.value.retryable, refusal.value.retry_after_s) == ("busy", True, 2.5)
    client.ping()
    assert [type(request).__name__ for request in router.seen].count("Hello") == 1


def test_an_unknown_error_code_of_a_newer_daemon_is_still_an_error(router: Router, client: Client) -> None:
    error = {"code": "too_blue", "message": "The picture is too blue.", "retryable": False}
    router.answers["status"] = lambda _: encode({"id": 2, "ok": False, "error": error})
    with pytest.raises(RemoteError, match="too blue") as refusal:
        client.status()
    assert refusal.value.code == "internal"


def test_a_daemon_that_does_not_answer_is_given_up(router: Router, client: Client) -> None:
    client.ping()
    router.answers["status"] = NEVER
    with pytest.raises(LinkError, match="did not answer in time") as failure:
        client.request("status", timeout_s=0.1)
    assert failure.value.code == "timeout"
    client.ping()  # on a new connection, where the late reply cannot be mistaken for this one
    assert router.names() == ["ping", "status", "ping"]


@pytest.mark.parametrize(
    "frames",
    [
        [b"VPBR/1"],
        [b"VPBR/2", b"\x80"],
        [b"VPBR/1", b"\xc1"],
        encode({}),
        encode({"id": 2}),
        encode({"id": 99, "ok": True}),
        encode({"id": "2", "ok": True}),
        encode({"id": True, "ok": True}),
        encode({"id": 2, "ok": 1}),
        encode({"id": 2, "ok": False}),
        encode({"id": 2, "ok": False, "error": "no"}),
        encode({"id": None, "ok": True}),
    ],
)
def test_a_reply_that_breaks_the_protocol_is_reported(router: Router, client: Client, frames: list[bytes]) -> None:
    router.answers["status"] = frames
    with pytest.raises(LinkError) as failure:
        client.status()
    assert failure.value.code == "bad_reply"
    client.ping()


def test_a_refusal_that_cannot_name_its_request_is_raised(router: Router, client: Client) -> None:
    error = {"code": "bad_header", "message": "The header is not valid msgpack.", "retryable": False}
    router.answers["status"] = encode({"id": None, "ok": False, "error": error})
    with pytest.raises(RemoteError, match="not valid msgpack"):
        client.status()
    client.ping()


def test_a_daemon_of_another_version_is_reported_at_the_first_request(router: Router, client: Client) -> None:
    router.answers["hello"] = VaporbrushError("unsupported_version", "Update the older of the two.")
    for _ in range(2):
        with pytest.raises(RemoteError, match="Update"):
            client.ping()


def test_a_request_that_does_not_fit_is_not_sent(router: Router, client: Client) -> None:
    client.ping()
    with pytest.raises(RequestError) as failure:
        client.request("hello", {"client": "x" * 70_000})
    assert failure.value.code == "too_large"
    client.ping()
    assert router.names() == ["ping", "ping"]


def test_after_close_the_client_can_be_used_again(router: Router, client: Client) -> None:
    client.ping()
    client.close()
    client.close()
    client.ping()
    assert router.names() == ["ping", "ping"]


def test_a_restarted_daemon_is_not_noticed(router: Router, client: Client) -> None:
    client.ping()
    answers = [RESTART, {"fine": True}]
    router.answers["status"] = lambda _: answers.pop(0)
    assert client.status()["fine"]
    assert client.daemon["boot"] == "boot2"


def test_a_daemon_that_breaks_every_connection_is_given_up(router: Router, client: Client) -> None:
    router.answers["status"] = RESTART
    with pytest.raises(LinkError) as failure:
        client.status()
    assert failure.value.code == "link_lost"
    assert router.names() == ["status", "status"]  # sent twice, not for ever


def test_a_daemon_that_is_being_restarted_is_waited_for(folder: Path) -> None:
    old = Router(folder)
    with Client(old.connection, 5) as client:
        client.ping()
        old.stop()
        new: list[Router] = []
        timer = threading.Timer(0.3, lambda: new.append(Router(folder)))
        timer.start()
        client.ping()
        timer.join()
        assert new[0].names() == ["ping"]
        new[0].stop()


def test_a_daemon_that_stays_away_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaporbrush_protocol.channel.RECONNECT_S", 0.2)
    router = Router(folder)
    with Client(router.connection, 5) as client:
        client.ping()
        router.stop()
        with pytest.raises(LinkError, match="No daemon answers at ipc:") as failure:
            client.ping()
        assert failure.value.code == "no_daemon"
        with pytest.raises(LinkError, match="No daemon answers at ipc:"):
            client.ping()


def test_a_restarted_daemon_is_found_at_its_new_address(folder: Path) -> None:
    old, new = Router(folder, tcp=True), Router(folder, tcp=True)
    old.connection.write(folder)
    with Client(Connection.read(folder), 5) as client:
        client.ping()
        old.stop()
        new.connection.write(folder)
        client.ping()
        assert client.connection.endpoints == (new.endpoint,)
    new.stop()


def test_shutdown_is_sent_once_and_may_go_unanswered(router: Router, client: Client) -> None:
    router.answers["shutdown"] = RESTART
    client.shutdown(now=True)
    assert router.names() == ["shutdown"]
    router.answers["shutdown"] = {}
    client.shutdown()
    router.answers["shutdown"] = VaporbrushError("internal", "No.")
    with pytest.raises(RemoteError):
        client.shutdown()
    client.timeout_s = 0.1
    router.answers["shutdown"] = NEVER
    with pytest.raises(LinkError) as failure:
        client.shutdown()
    assert failure.value.code == "timeout"
