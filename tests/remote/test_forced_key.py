"""The key that a laptop has on the workstation opens the painter, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.daemon import ROOT, ended, environment, negative, paints, picture, recipe, until
from support.far_painter import add
from support.program import vaporbrush
from support.ssh_server import SshServer
from vaporbrush_daemon.guests import GuestError, Guests
from vaporbrush_daemon.remotes import book, keys, ssh
from vaporbrush_protocol import Client, Connection, LinkError, RemoteError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f anna"  # of no private key


def with_key(
    there: SshServer, home: Path, *options: str, words: str = "", data: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """ssh with the forced key and nothing of ours to protect it."""
    command = ["ssh", "-F", str(there.config), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
               "-i", str(home / book.KEY), *options, "workstation", *([words] if words else [])]  # fmt: skip
    return subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)


def client_of(there: SshServer, home: Path) -> Client:
    remote = book.find(home, "workstation")
    return Client(Connection((), ""), 20.0, open_link=ssh.opener(remote, home / book.KEY))


def test_a_painting_through_ssh_is_the_same_to_the_last_bit(home: Path, added: SshServer) -> None:
    with client_of(added, home) as client:
        assert paints(client, tint=3)
        job = ended(client, client.submit(recipe(client, tint=4)))
        assert bytes(client.download(job.image)) == negative(picture(tint=4)[1])
        assert client.ping() < 1.0


def test_whatever_is_asked_with_the_forced_key_only_the_pipe_answers(home: Path, added: SshServer) -> None:
    secret = added.there / "secret"
    secret.write_text("not for guests")
    added.write_config(persons_key=False)
    for words in ("id", f"cat {secret}", "sh -i; $(id)"):
        done = with_key(added, home, words=words)
        greeting = json.loads(done.stdout.splitlines()[0])
        assert greeting["user"].startswith("guest:"), "the forced command, not the one that was asked for"
        assert b"uid=" not in done.stdout
        assert b"not for guests" not in done.stdout
    tty = with_key(added, home, "-tt")
    assert b"PTY allocation request failed" in tty.stderr
    sftp = subprocess.run(
        ["sftp", "-F", str(added.config), "-o", "BatchMode=yes", "-i", str(home / book.KEY), "-b", "-", "workstation"],
        input=f"get {secret} {home}/stolen\n".encode(), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert sftp.returncode != 0
    assert not (home / "stolen").exists()


@pytest.mark.parametrize("forwarding", ["-L", "-R"])
def test_the_forced_key_forwards_nothing(home: Path, added: SshServer, forwarding: str) -> None:
    added.write_config(persons_key=False)
    path = home / "forwarded"
    target = f"{path}:127.0.0.1:{added.port}" if forwarding == "-L" else f"{added.there}/back:127.0.0.1:{added.port}"
    process = subprocess.Popen(
        ["ssh", "-F", str(added.config), "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes",
         "-i", str(home / book.KEY), forwarding, target, "workstation"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        if forwarding == "-R":
            assert process.wait(30) != 0, "the server refuses"
            assert not (added.there / "back").exists()
        else:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"{")
            asked = subprocess.run(
                ["curl", "-s", "--max-time", "5", "--unix-socket", str(path), "http://x/"],
                capture_output=True,
                check=False,
            )
            assert b"SSH-" not in asked.stdout, "nothing comes through"
    finally:
        process.kill()
        process.communicate()


def test_the_forced_key_borrows_nobodys_agent(home: Path, added: SshServer) -> None:
    """With the person's own key the same is lent, so that the question is a real one."""
    (added.home / "bin" / "pipe").write_text('#!/bin/sh\necho "agent=$SSH_AUTH_SOCK"\n')
    socket = home / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        until(socket.exists, "the agent listens")
        lending = ("-A", "-o", f"IdentityAgent={socket}")
        command = ["ssh", "-F", str(added.config), "-o", "BatchMode=yes", *lending, "workstation"]
        own = subprocess.run([*command, "echo agent=$SSH_AUTH_SOCK"], capture_output=True, timeout=60, check=True)
        assert own.stdout.startswith(b"agent=/")
        added.write_config(persons_key=False)
        assert with_key(added, home, *lending).stdout == b"agent=\n"
    finally:
        agent.kill()
        agent.wait()


def test_the_forced_key_opens_no_way_to_other_machines(home: Path, added: SshServer) -> None:
    added.write_config(persons_key=False)
    done = with_key(added, home, "-W", f"127.0.0.1:{added.port}")
    assert done.returncode != 0
    assert b"administratively prohibited" in done.stderr or b"open failed" in done.stderr


def test_a_guest_who_is_removed_is_out_within_a_second(home: Path, added: SshServer) -> None:
    with client_of(added, home) as client:
        client.ping()
        (guest,) = Guests(added.home).all()
        done = vaporbrush("guest", "remove", guest.name, env=added.surroundings())
        assert done.returncode == 0, done.stderr
        removed = time.monotonic()
        until(lambda: _refusal(client), "the guest is out")
        assert time.monotonic() - removed < 10.0, "a second, on a machine that does nothing else"
        until(lambda: "machine's key" in _refusal(client), "the old line, on which the daemon says it, has ended")
        with pytest.raises(LinkError, match="does not accept this machine's key") as out:
            client.ping()
        assert out.value.code == "forbidden"
    assert guest.name not in (added.authorized).read_text()
    assert vaporbrush("guest", "remove", guest.name, env=added.surroundings()).returncode == 2


def _refusal(client: Client) -> str:
    """Why nothing is answered; empty if something is."""
    try:
        client.request("ping")
    except (LinkError, RemoteError) as error:
        return error.message
    return ""


def test_no_process_stays_when_the_laptop_is_gone(home: Path, added: SshServer) -> None:
    with client_of(added, home) as client:
        client.ping()
        until(lambda: _pipes(added), "the pipe runs")
    until(lambda: not _pipes(added), "the pipe has ended")


def _pipes(there: SshServer) -> list[str]:
    # -ww: a terminal of 80 columns, which ps asks even where its output is not one, would cut the lines
    listed = subprocess.run(["ps", "-eww", "-o", "args="], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if keys.PROGRAM in line and _home_of(line, there)]


def _home_of(line: str, there: SshServer) -> bool:
    (guest,) = Guests(there.home).all()
    return line.endswith(guest.name)


def test_nothing_new_listens_and_the_token_is_nowhere_on_the_laptop(home: Path, there: SshServer) -> None:
    def listening() -> set[str]:
        told = subprocess.run(["ss", "-ltnxH"], capture_output=True, text=True, check=True).stdout
        return {line.split()[4] for line in told.splitlines() if str(there.folder) in line or str(home) in line}

    before = listening()
    done = add(there)
    assert done.returncode == 0, done.stderr
    with client_of(there, home) as client:
        client.ping()
        assert listening() - before == {f"{there.home}/run/daemon.sock"}, "the daemon there, which was started"
    (guest,) = Guests(there.home).all()
    for path in (one for one in home.rglob("*") if one.is_file()):
        assert guest.token.encode() not in path.read_bytes(), path
        assert path.suffix == ".pub" or path.stat().st_mode & 0o077 == 0, path
    assert (home / book.FILE).stat().st_mode & 0o777 == 0o600
    assert (home / "ssh").stat().st_mode & 0o777 == 0o700
    assert there.authorized.stat().st_mode & 0o777 == 0o600


def test_the_line_in_authorized_keys_is_restricted_and_others_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / ".ssh" / "authorized_keys"
    path.parent.mkdir()
    theirs = '# my keys\nssh-rsa AAAAB3NzaC1yc2E= work\ncommand="backup",restrict ssh-rsa AAAAB3 backup\n'
    path.write_text(theirs)
    key = keys.PublicKey.parse(KEY)
    program = keys.write_program(tmp_path / "my home's")
    keys.allow(path, "anna", key, program)
    keys.allow(path, "anna", key, program)
    line = path.read_text().removeprefix(theirs)
    assert line.count("\n") == 1
    assert line.startswith('command="')
    assert '",restrict ssh-ed25519 ' in line
    assert subprocess.run(["sh", "-n", str(program)], check=True).returncode == 0
    assert program.stat().st_mode & 0o777 == 0o700
    with pytest.raises(GuestError, match="stands in"):
        keys.allow(path, "bob", key, program)
    assert keys.revoke(path, "anna")
    assert path.read_text() == theirs
    assert not keys.revoke(path, "anna")


NO_KEYS = ("", "ssh-ed25519", "ssh-ed25519 ???? x", "ssh-dss AAAA x", f"{KEY}\n{KEY}", f'command="sh" {KEY}',
           f"ssh-rsa {KEY.split()[1]}", f"ssh-ed25519 {'A' * 5000}")  # fmt: skip


@pytest.mark.parametrize("text", NO_KEYS)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(GuestError, match="no public key"):
        keys.PublicKey.parse(text)


def test_the_pipe_says_in_one_line_why_it_cannot(home: Path) -> None:
    done = subprocess.run(
        [os.sys.executable, "-m", keys.PROGRAM, "nobody"],
        capture_output=True, text=True, check=False, env=environment(home), cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 1
    assert "nobody is not known" in json.loads(done.stdout)["error"]
    Guests(_made(home)).add("ann", datetime.now(UTC))
    (home / "config.toml").write_text("max_jobs = many")
    done = subprocess.run(
        [os.sys.executable, "-m", keys.PROGRAM, "ann"],
        capture_output=True, text=True, check=False, env=environment(home), cwd=ROOT,
    )  # fmt: skip
    assert "config.toml" in json.loads(done.stdout)["error"]


def _made(home: Path) -> Path:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home
