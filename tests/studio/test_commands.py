"""`vaporbrush studio`: one sentence for each thing that is wrong, and a machine that is let in by ssh."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import ROOT, Daemon, environment, serving
from support.nodes import Node, free_port, opened
from support.program import vaporbrush
from support.ssh_server import SshServer, demanded, workstation
from vaporbrush_daemon.cli.studio_status import in_lines, look
from vaporbrush_daemon.pip_command import pip_install
from vaporbrush_daemon.studio import members
from vaporbrush_protocol.errors import RequestError

COMMANDS = (("open",), ("add", "box1", "request"), ("join",), ("remove", "box1"), ("files", "slurm"))


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_without_the_extra_every_command_says_what_to_install(
    home: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    Daemon(home)
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'distributed' else find(name, package)\n"
    )
    surroundings = environment(home)
    surroundings["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{surroundings['PYTHONPATH']}"
    told = one_sentence(vaporbrush("studio", *command, env=surroundings))
    assert f"`{pip_install('vaporbrush[studio]')}`" in told
    status = vaporbrush("studio", "status", env=surroundings)
    assert "No studio was opened here" in one_sentence(status)


def test_the_front_has_nothing_of_the_extra_in_it() -> None:
    code = (
        "import sys, vaporbrush_daemon.front.serve, vaporbrush_daemon.cli.main\n"
        "print([n for n in ('distributed', 'dask', 'tornado', 'cryptography') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_each_thing_that_is_wrong_is_told_in_a_sentence(home: Path, tmp_path: Path) -> None:
    Daemon(home)
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("hello")
    assert "No studio was opened here" in one_sentence(vaporbrush("studio", "add", "box1", rubbish))
    assert "was not let into a studio yet" in one_sentence(vaporbrush("studio", "join"))
    assert "That is no invitation" in one_sentence(vaporbrush("studio", "join", rubbish))
    assert "cannot be read" in one_sentence(vaporbrush("studio", "join", tmp_path / "none"))
    opened(home, free_port())
    assert "no node's request" in one_sentence(vaporbrush("studio", "add", "box1", rubbish))
    assert "is no name for a node" in one_sentence(vaporbrush("studio", "add", "a/b", rubbish))
    assert "No node 'box1' is in this studio" in one_sentence(vaporbrush("studio", "remove", "box1"))
    assert "must be 1 to 65535" in one_sentence(vaporbrush("studio", "open", "--listen", "127.0.0.1", "--port", "0"))
    (home / "studio" / members.FILE).write_text("{}")
    assert "is damaged" in one_sentence(vaporbrush("studio", "status"))


def test_a_head_that_cannot_have_its_port_serves_on_and_says_so(home: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        Daemon(home)
        opened(home, taken.getsockname()[1])
        with serving(home) as daemon, daemon.client() as client:
            from support.daemon import paints, until

            assert paints(client, tint=1)
            until(lambda: "already in use" in daemon.log(), "the log says why")


@pytest.mark.parametrize("lost", ["key.pem", "certificate.pem", "ca.pem", "revoked.pem"])
def test_a_head_without_its_certificates_opens_no_port_and_says_so(home: Path, lost: str) -> None:
    import socket

    Daemon(home)
    port = free_port()
    opened(home, port)
    (home / "studio" / lost).unlink()
    with serving(home) as daemon, daemon.client() as client:
        from support.daemon import paints, until

        until(lambda: "cannot be used" in str(client.status()["studio"]["failures"]), f"it says so: {daemon.log()}")
        assert "Traceback" not in daemon.log()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5.0)
        assert paints(client, tint=1)


def test_a_node_whose_head_is_away_says_so_and_tries_again(home: Path, tmp_path: Path) -> None:
    from support.daemon import until

    head = Daemon(home)
    opened(home, free_port())
    node = Node("box1", tmp_path / "box1", "--gpus", "24").let_in(head, tmp_path)
    node.start()
    try:
        until(lambda: node.said.count("It is tried again") >= 2, f"it says so twice: {node.said}", 90.0)
        again = vaporbrush("studio", "join", env=node.environment())
        assert "is a node already" in one_sentence(again)
    finally:
        node.stop()
    assert "Traceback" not in node.said


def test_a_name_of_ones_own_is_refused_where_the_head_gives_it(home: Path, tmp_path: Path) -> None:
    head = Daemon(home)
    opened(home, free_port())
    node = Node("box1", tmp_path / "box1", "--gpus", "24").let_in(head, tmp_path)
    told = one_sentence(vaporbrush("studio", "join", "--name", "box9", env=node.environment()))
    assert "--name is 'box9', but the invitation calls this node box1" in told
    asked = vaporbrush("studio", "join", "--ask", tmp_path / "again", "--name", "box9", env=node.environment())
    assert "--name is 'box9', but the head names" in one_sentence(asked)
    assert not (tmp_path / "again").exists()


def test_a_cluster_without_nodes_is_told_of_with_the_command_that_works_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAPORBRUSH_HOME", str(home))
    there = " ".join(in_lines(look(None, "tls://dask.example:8786")))
    assert "`vaporbrush studio join` on each, with the same settings" in there
    assert "studio add" not in there
    assert "`vaporbrush studio add NAME`" in " ".join(in_lines(look(members.Studio("10.0.0.5"), "")))


@pytest.fixture
def there() -> Iterator[SshServer]:
    demanded()
    with tempfile.TemporaryDirectory(prefix="vp-") as folder, workstation(Path(folder)) as server:
        Daemon(server.home)
        yield server


def test_a_machine_is_let_in_by_ssh_and_its_key_stays_there(home: Path, there: SshServer) -> None:
    Daemon(home)
    opened(home, free_port())
    done = vaporbrush("studio", "add", "workstation", "--ssh-config", there.config, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr + there.log()
    invitation = members.membership(there.home)
    assert invitation is not None
    assert invitation.name == "workstation"
    key = (there.home / "node" / "key.pem").read_text()
    kept = [path.read_text() for path in (home / "studio").iterdir() if path.is_file()]
    assert not any(key.splitlines()[1] in text for text in kept)
    told = json.loads(vaporbrush("studio", "status", "--json").stdout)
    assert told["nodes"] == [{"name": "workstation", "moved_bytes": 0, "devices": []}]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"name": 1}', "\x00" * 10, '{"name": "a", "head": "tcp://a:1"}'])
def test_what_is_no_invitation_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="no invitation"):
        members.Invitation.from_json(text)
