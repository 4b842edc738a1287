"""`vaporbrush conformance`: passes against our servers, and finds what a server does wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.router import RESTART, Router
from vaporbrush_daemon import packaged
from vaporbrush_daemon.conformance import transcript
from vaporbrush_daemon.conformance.suite import Outcome, Suite
from vaporbrush_protocol import Connection
from vaporbrush_protocol.messages import Status

WAIT_S = 240


def conformance(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vaporbrush_daemon", "conformance", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=WAIT_S)


def test_the_daemon_passes(daemon: Daemon) -> None:
    def restart() -> Connection:
        daemon.stop()
        daemon.start()
        return Connection.read(daemon.home)

    suite = Suite(Connection.read(daemon.home), packaged.specification(), restart=restart, seed=1)
    outcomes = list(suite.run())
    assert [outcome for outcome in outcomes if outcome.problem or outcome.left_out] == []
    assert len(outcomes) > 100
    assert {"transcript: first-painting", "transcript: restart"} <= {outcome.name for outcome in outcomes}


def test_the_command_tells_every_check_and_what_it_left_out(daemon: Daemon, tmp_path: Path) -> None:
    done = conformance()
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert "✓ transcript: windows" in lines
    assert "· transcript: restart: the server would have to be restarted" in lines
    assert lines[-1] == f"{len(lines) - 1} of {len(lines) - 1} checks passed."
    connection = Connection.read(daemon.home)
    token = tmp_path / "token"
    token.write_text(connection.token + "\n")
    done = conformance("--endpoint", connection.endpoints[0], "--token-file", str(token), "--seed", "7", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"]


def test_the_daemon_with_the_real_painter_passes(home: Path) -> None:
    serve = [sys.executable, "-m", "vaporbrush_daemon", "serve"]
    assert subprocess.run(serve, check=False, capture_output=True, timeout=WAIT_S).returncode == 0
    try:
        done = conformance("--json")
        assert [check for check in json.loads(done.stdout)["checks"] if check["problem"]] == []
        assert done.returncode == 0
    finally:
        subprocess.run([*serve[:-1], "stop", "--now"], check=True, capture_output=True, timeout=WAIT_S)


def test_the_report_says_where_a_server_breaks_the_rules(tmp_path: Path) -> None:
    with Router(tmp_path) as router:
        router.answers["status"] = {"daemon": "mine 1", "uptime_s": "long"}
        router.answers["list"] = {"jobs": [{"job": "x"}], "more": False}
        router.answers["models"] = ({"models": [], "auto": "", "message": ""}, b"a chunk")
        router.answers["estimate"] = {"painted_width": 0}
        told = {one.name: one.problem for one in Suite(router.connection, packaged.specification(), seed=2).run()}
    assert told["a wrong token is refused"] == told["good: ping"] == told["bad: infinity"] == ""
    assert told["good: status"] == "the reply to `status` is wrong: `boot` is missing; every reply has it."
    assert told["good: list"].endswith("`jobs[0].state` is missing; every reply has it.")
    assert told["good: models"].endswith("The reply to `models` came with a chunk.")
    assert told["transcript: first-painting"].startswith(
        "step 5 (What will it cost?): the reply to `estimate` is wrong"
    )


def test_the_report_says_after_which_check_a_server_ended(tmp_path: Path) -> None:
    with Router(tmp_path) as router:

        def status(_request: Status) -> object:
            router.endpoint = f"ipc://{tmp_path}/elsewhere"
            return RESTART

        router.answers["status"] = status
        outcomes = list(Suite(router.connection, packaged.specification(), seed=2).run())
    assert outcomes[-1] == Outcome("the server goes on", "it does not answer any more after: good: status")


def test_nobody_at_the_endpoint_is_a_sentence(home: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x" * 64)
    done = conformance("--endpoint", f"ipc://{tmp_path}/nobody", "--token-file", str(token))
    assert done.returncode == 3
    assert "No daemon answers at" in done.stderr
    assert conformance().returncode == 3
    done = conformance("--endpoint", "tcp://127.0.0.1:1", "--token-file", str(tmp_path / "none"))
    assert done.returncode == 2
    assert "cannot be read" in done.stderr


def test_a_transcript_says_at_which_step_a_server_differs() -> None:
    scene = transcript.Scene({"a": "1", "bytes": b"xy"})
    scene.match({"x": "$a", "y": "*", "z": {"deep": "?b"}}, {"x": "1", "y": 0, "z": {"deep": 5, "more": 1}}, None)
    assert scene.variables["b"] == 5
    for wanted, header in (({"x": "$a"}, {"x": "2"}), ({"y": "*"}, {}), ({"z": {"d": 1}}, {"z": 1}), ({"x": "?c"}, {})):
        with pytest.raises(transcript.Deviation):
            scene.match(wanted, header, None)
    with pytest.raises(transcript.Deviation, match="`chunk_bytes` is 2, but must be 3"):
        scene.match({"chunk_bytes": 3}, {}, b"ab")
