"""`vaporbrush remote add` and its sisters: one sentence for whatever is wrong, and nothing half-written."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.daemon import environment
from support.far_painter import add
from support.program import PROGRAM, vaporbrush
from support.ssh_server import SshServer
from vaporbrush_daemon.guests import Guests
from vaporbrush_daemon.remotes import book
from vaporbrush_daemon.remotes.ssh import Greeting, explain
from vaporbrush_protocol import LinkError


def refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    """One sentence with these words; no device was added."""
    assert done.returncode not in (0, 130)
    assert words in done.stderr.replace("\n", " "), done.stderr
    assert "Traceback" not in done.stderr
    assert book.read(Path(os.environ["VAPORBRUSH_HOME"])) == []


def test_a_machine_is_added_once_listed_and_removed(home: Path, added: SshServer) -> None:
    again = add(added)
    assert again.returncode == 0, "a second time changes nothing"
    assert "--device workstation" in again.stdout
    assert [one.name for one in book.read(home)] == ["workstation"]
    (guest,) = Guests(added.home).all()
    listed = json.loads(vaporbrush("remote", "list", "--json").stdout)
    assert [(one["name"], one["problem"]) for one in listed["remotes"]] == [("workstation", "")]
    assert "since" in vaporbrush("guest", "list", env=added.surroundings()).stdout
    added.stop()
    assert "does not answer" in vaporbrush("remote", "list").stdout
    removed = vaporbrush("remote", "remove", "workstation")
    assert f"vaporbrush guest remove {guest.name}" in removed.stdout
    assert book.read(home) == []
    refused(vaporbrush("remote", "remove", "workstation"), "No machine 'workstation' was added here")


def test_an_unknown_host_key_is_never_accepted_silently(home: Path, there: SshServer) -> None:
    there.known.write_text("")
    refused(add(there), "is not known here yet")
    assert there.known.read_text() == ""
    assert Guests(there.home).all() == []


def test_in_a_terminal_ssh_itself_shows_the_fingerprint_and_a_no_adds_nothing(home: Path, there: SshServer) -> None:
    there.known.write_text("")
    said = in_terminal(there, "no")
    assert "SHA256:" in said
    assert book.read(home) == []
    assert there.known.read_text() == ""
    said = in_terminal(there, "yes")
    assert "paints for this machine now" in said, said
    assert [one.name for one in book.read(home)] == ["workstation"]


def in_terminal(there: SshServer, answer: str) -> str:
    """The command in a pseudo-terminal, in which somebody answers ssh's question. Returns what was to be read."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(environment(Path(os.environ["VAPORBRUSH_HOME"])))
        command = [*PROGRAM, "remote", "add", "workstation", "--ssh-config", str(there.config)]
        os.execv(sys.executable, command)
    said, answered, give_up = "", False, time.monotonic() + 90
    while time.monotonic() < give_up:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # its end, as Linux tells it
            break
        if not piece:
            break
        said += piece.decode("utf-8", "replace")
        if "fingerprint])?" in said and not answered:
            os.write(terminal, f"{answer}\n".encode())
            answered = True
    os.waitpid(pid, 0)
    os.close(terminal)
    assert answered, said
    return said


def test_a_changed_host_key_stops_everything_until_it_is_trusted(home: Path, added: SshServer) -> None:
    added.stop()
    added.make_host_key()
    added.start()
    began = time.monotonic()
    done = vaporbrush("remote", "list")
    assert "identity has changed" in done.stdout
    assert "vaporbrush remote trust workstation" in done.stdout
    assert time.monotonic() - began < 60
    done = vaporbrush("remote", "trust", "workstation", input="n\n")
    assert "SHA256:" in done.stdout, "the fingerprint known so far"
    assert done.returncode == 130
    assert "identity has changed" in vaporbrush("remote", "list").stdout


def test_a_login_that_no_key_opens_says_what_to_do_there(home: Path, there: SshServer) -> None:
    there.write_config(persons_key=False)
    done = add(there)
    refused(done, "ssh cannot log in to workstation by itself")
    assert "vaporbrush guest add" in done.stderr
    assert Guests(there.home).all() == []


def test_a_machine_without_vaporbrush_is_told_from_one_that_does_not_answer(home: Path, there: SshServer) -> None:
    there.stop()
    there.start(path="/usr/bin:/bin")
    refused(add(there), "has no Vaporbrush: install it there")
    there.stop()
    refused(add(there), "does not answer")
    there.write_config(host="name.invalid")
    refused(add(there), "There is no machine workstation")


def test_a_machine_whose_vaporbrush_speaks_another_version_is_told_and_is_no_device(
    home: Path, there: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("from vaporbrush_protocol import limits\nlimits.PROTOCOL_MAJOR = 7\n")
    usual = there.surroundings()
    newer = {**usual, "PYTHONPATH": f"{tmp_path}{os.pathsep}{usual['PYTHONPATH']}"}
    monkeypatch.setattr(there, "surroundings", lambda: newer)
    there.stop()
    there.start()
    refused(add(there), "speaks version 7 of the protocol, and this machine version 1: update the older one")


def test_names_that_cannot_be_are_refused_before_anything_is_tried(home: Path) -> None:
    for destination, name in (("-oProxyCommand=id", None), ("a b", None), ("host;id", None), ("host", "cuda:0"),
                              ("host", "cpu"), ("host", "auto"), ("host", "a b"), ("host", "")):  # fmt: skip
        options = [] if name is None else ["--name", name]
        done = vaporbrush("remote", "add", *options, "--", destination)
        assert done.returncode == 2, (destination, name)
        assert not (home / "ssh").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"remotes": 1}', '{"remotes": [{"name": "x"}]}', "\0",
                                  '{"remotes": [{"name": "cpu", "destination": "x"}]}'])  # fmt: skip
def test_a_damaged_list_of_machines_is_told(home: Path, text: str) -> None:
    home.mkdir(mode=0o700, parents=True)
    (home / book.FILE).write_text(text)
    done = vaporbrush("remote", "list")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) <= 3, done.stderr


LETTERS = "debug1: x\nWarning: y\n"


@pytest.mark.parametrize(("errors", "code", "words"), [
    (LETTERS + "ssh: connect to host w port 22: Connection timed out", "unreachable", "off, asleep"),
    (LETTERS + "ssh: connect to host w port 22: No route to host", "unreachable", "off, asleep"),
    ("client_loop: send disconnect: Broken pipe", "unreachable", "The line to w broke"),
    ("anna@w: Permission denied (publickey).", "forbidden", "does not accept this machine's key"),
    ("sh: 1: /home/a/bin/pipe: not found", "forbidden", "not where it was"),
    ("", "unreachable", "broke"),
])  # fmt: skip
def test_what_ssh_says_becomes_one_sentence(errors: str, code: str, words: str) -> None:
    error = explain("w", 255, errors)
    assert error.code == code
    assert words in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize(("line", "words"), [
    (b"Welcome to Ubuntu\n", "is not Vaporbrush's"),
    (b"", "is not Vaporbrush's"),
    (b"[1]\n", "is not Vaporbrush's"),
    (b"{}\n", "is not Vaporbrush's"),
    (b'{"error": "It hurts."}\n', "w says: It hurts."),
    (b'{"vaporbrush": "9.0", "majors": [7], "title": "w", "user": "guest:a", "token": "t"}\n', "version 7"),
    (b'{"vaporbrush": "9.0", "majors": [1], "title": 5, "user": "guest:a", "token": "t"}\n', "is not Vaporbrush's"),
    (b"[" * 60000 + b"\n", "is not Vaporbrush's"),
])  # fmt: skip
def test_a_greeting_that_is_none_or_of_another_version_is_told(line: bytes, words: str) -> None:
    with pytest.raises(LinkError) as told:
        Greeting.parse(line, "w")
    assert words in told.value.message
    assert len(told.value.message) < 400
