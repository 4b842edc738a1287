"""The daemon killed, started twice, started on ruins. What was painted is not lost."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from support import fake_worker as fake
from support.daemon import (
    DEADLINE_S,
    Daemon,
    bystander,
    ended,
    negative,
    paints,
    picture,
    recipe,
    running,
    serving,
    until,
)
from vaporbrush_protocol import Client, Connection, LinkError, RemoteError

RACES = 50  # pairs of daemons that are started at once


def test_after_a_kill_results_are_still_there_and_an_interrupted_job_can_be_submitted_again(home: Path) -> None:
    daemon = Daemon(home).start()
    with daemon.client() as client:
        _, pixels = picture(tint=1)
        done = ended(client, client.submit(recipe(client, tint=1), str(uuid.uuid4())))
        wanted = recipe(client, fake.ENDLESS, tint=2)
        interrupted = running(client, client.submit(wanted, str(uuid.uuid4())))
        waiting = client.submit(recipe(client, tint=3), str(uuid.uuid4()))
        boot = client.hello()["boot"]
    daemon.kill()
    daemon.start()
    try:
        with daemon.client() as client:
            assert client.hello()["boot"] != boot
            assert bytes(client.download(client.watch(done.job).image)) == negative(pixels)
            for job in (interrupted, waiting):
                lost = client.watch(job.job)
                assert (lost.state, lost.error.code) == ("failed", "worker_crashed")
                assert "restarted" in lost.error.message
            again = running(client, client.submit(wanted, interrupted.job))
            assert again.seq > interrupted.seq
            assert client.finish(again.job).state == "running"
            assert ended(client, again).state == "done"
            assert ended(client, client.submit(recipe(client, tint=3), waiting.job)).state == "done"
        with bystander(daemon):
            pass
    finally:
        daemon.stop()


def test_a_client_on_an_old_connection_does_not_notice_a_restart(home: Path) -> None:
    daemon = Daemon(home).start()
    with daemon.client() as client:
        assert paints(client, tint=1)
        daemon.kill()
        daemon.start()
        try:
            assert paints(client, tint=2)
        finally:
            daemon.stop()


def test_of_two_daemons_started_at_once_exactly_one_serves(home: Path) -> None:
    for _ in range(RACES):
        daemon = Daemon(home)
        pair = [daemon.launch(), daemon.launch()]
        loser = until(
            lambda pair=pair: next((one for one in pair if one.poll() is not None), None), "one of them gives way"
        )
        winner = pair[1 - pair.index(loser)]
        said = loser.communicate()[1]
        assert loser.returncode == 75, said
        assert "already runs" in said
        until(
            lambda winner=winner: (home / "connection.json").exists() and Connection.read(home).pid == winner.pid,
            "it serves",
        )
        with daemon.client() as client:
            assert client.hello()["pid"] == winner.pid
            assert str(winner.pid) in said or "unknown" in said
        winner.terminate()
        winner.communicate()
        assert winner.returncode == 0


def test_a_second_daemon_names_the_first_and_leaves_it_alone(home: Path) -> None:
    with serving(home) as daemon, bystander(daemon):
        second = daemon.launch()
        said = second.communicate()[1]
        assert second.returncode == 75
        assert said == f"A Vaporbrush daemon already runs for {home} (process {daemon.pid}).\n"


def test_ruins_of_an_earlier_daemon_do_not_matter(home: Path) -> None:
    (home / "run").mkdir(parents=True)
    (home / "spool" / "jobs").mkdir(parents=True)
    (home / "spool" / "blobs").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(home / "run" / "daemon.sock"))
    (home / "run" / "lock").write_text("1")  # a pid that lives, but holds no lock
    (home / "connection.json").write_text("{damaged")
    (home / "spool" / "jobs" / f"{uuid.uuid4()}.json").write_text('{"record": 1}')
    (home / "spool" / "jobs" / f"{uuid.uuid4()}.json").write_text("[not a record")
    (home / "spool" / "blobs" / "rubbish").write_text("rubbish")
    with serving(home) as daemon, bystander(daemon):
        assert not (home / "spool" / "blobs" / "rubbish").exists()
        assert daemon.log().count("quarantined") == 3
        assert len(list((home / "spool" / "quarantine").iterdir())) == 3


def test_a_picture_that_a_power_cut_left_empty_is_sent_and_painted_again(home: Path) -> None:
    """It was refused as a conflict for a day; of the right size, it was painted as it was."""
    daemon = Daemon(home).start()
    with daemon.client() as client:
        done = ended(client, client.submit(recipe(client, tint=1)))
    daemon.kill()
    (content, pixels), (style, _) = picture(tint=1), picture(tint=101)
    (home / "spool" / "blobs" / content.blob).write_bytes(b"")
    (home / "spool" / "blobs" / style.blob).write_bytes(bytes(style.size_bytes))
    (home / "spool" / "blobs" / done.image.blob).write_bytes(bytes(done.image.size_bytes))
    daemon.start()
    try:
        with daemon.client() as client:
            with pytest.raises(RemoteError) as refused:
                client.download(done.image)
            assert refused.value.code == "unknown_blob"
            again = ended(client, client.submit(recipe(client, tint=1)))
            assert bytes(client.download(again.image)) == negative(pixels)
    finally:
        daemon.stop()


def test_a_restart_with_the_clock_three_days_ahead_keeps_all_results(home: Path) -> None:
    daemon = Daemon(home).start()
    with daemon.client() as client:
        done = ended(client, client.submit(recipe(client, tint=1)))
    daemon.stop()
    ahead = (
        "import time; real = time.time; time.time = lambda: real() + 3 * 86400\n"
        "from vaporbrush_daemon.front.serve import main; raise SystemExit(main())"
    )
    daemon.start(command=(sys.executable, "-c", ahead))
    try:
        with daemon.client() as client:
            assert bytes(client.download(client.watch(done.job).image)) == negative(picture(tint=1)[1])
    finally:
        daemon.stop()


def test_a_deleted_socket_file_is_made_again(home: Path) -> None:
    with serving(home) as daemon, bystander(daemon):
        path = home / "run" / "daemon.sock"
        path.unlink()
        until(daemon.answers, "the socket is back")
        assert path.stat().st_mode & 0o777 == 0o600
        with daemon.client() as client:
            assert paints(client, tint=3)


@pytest.mark.parametrize("names", [("run",), ("run/lock",), ("connection.json",), ("run/lock", "run/daemon.sock")])
def test_what_somebody_deletes_under_a_live_daemon_is_made_again(home: Path, names: tuple[str, ...]) -> None:
    with serving(home) as daemon, bystander(daemon):
        for name in names:
            shutil.rmtree(home / name) if (home / name).is_dir() else (home / name).unlink()
        until(lambda: all((home / name).exists() for name in names) and daemon.answers(), "it is there again")
        assert (home / "run").stat().st_mode & 0o777 == 0o700
        second = daemon.launch()
        assert f"(process {daemon.pid})" in second.communicate()[1]
        assert second.returncode == 75


def test_of_two_daemons_on_one_home_the_one_that_lost_the_lock_ends(home: Path) -> None:
    """Once they took the socket from each other for ever."""
    first, second = Daemon(home).start(), Daemon(home)
    first.process.send_signal(signal.SIGSTOP)  # or it takes the lock back where the second is slow to start
    try:
        (home / "run" / "lock").unlink()
        second.start()
        first.process.send_signal(signal.SIGCONT)
        assert first.process.wait(30) == 0
        assert "place_lost" in first.log()
        with bystander(second):
            assert Connection.read(home).pid == second.pid
    finally:
        first.stop()
        second.stop()


def test_a_daemon_whose_home_is_deleted_ends(home: Path) -> None:
    daemon = Daemon(home).start()
    shutil.rmtree(home)
    assert daemon.process.wait(30) == 0
    daemon.stop()
    assert not home.exists()


def test_a_home_that_cannot_be_used_gets_one_clear_line(tmp_path: Path) -> None:
    for place in (tmp_path / "file" / "home", Path("/proc/vaporbrush")):
        (tmp_path / "file").write_text("not a folder")
        daemon = Daemon.__new__(Daemon)
        daemon.home = place
        process = daemon.launch()
        said = process.communicate()[1]
        assert process.returncode == 78
        assert said.count("\n") == 1
        assert str(place) in said
        assert "VAPORBRUSH_HOME" in said


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("max_jobs = 0", "`max_jobs` is 0, but must be at least 1"),
        ("max_job = 1", "`max_job` is no setting; there are"),
        ("max_jobs = [", "config.toml cannot be read"),
        ('idle_unload_s = "soon"', "`idle_unload_s` is 'soon', but must be a number"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(home: Path, line: str, wanted: str) -> None:
    daemon = Daemon(home)
    (home / "config.toml").write_text(line + "\n")
    process = daemon.launch()
    said = process.communicate()[1]
    assert process.returncode == 78
    assert wanted in said
    assert said.count("\n") == 1


def test_a_port_that_is_taken_is_named(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = Daemon(home, listen_tcp=True, tcp_port=port).launch()
        said = process.communicate()[1]
    assert process.returncode == 78
    assert f"127.0.0.1:{port} cannot be listened on" in said


def test_an_idle_daemon_that_a_program_started_ends_itself_but_not_while_it_works(home: Path) -> None:
    idle_s = 2.0  # as long as this test, on a busy machine, may need between two requests
    daemon = Daemon(home, idle_exit_s=idle_s).start()
    with daemon.client() as client:
        job = client.submit(recipe(client, fake.ENDLESS), lease_s=60.0)
        time.sleep(2 * idle_s)
        assert daemon.process.poll() is None
        client.cancel(job.job)
    assert daemon.process.wait(DEADLINE_S) == 0
    assert f"idle_exit after_s={idle_s}" in daemon.log()
    daemon.stop()


def test_time_in_which_the_daemon_was_stopped_does_not_count_against_clients(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        job = running(client, client.submit(recipe(client, fake.ENDLESS), lease_s=2.0, on_lease_end="cancel"))
        os.kill(daemon.pid, signal.SIGSTOP)
        time.sleep(4.5)
        os.kill(daemon.pid, signal.SIGCONT)
        assert client.watch(job.job).state == "running"
        until(lambda: "slept seconds=" in daemon.log(), "it notices")
        client.cancel(job.job)


def test_results_and_uploads_that_nobody_used_for_long_go(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        job = ended(client, client.submit(recipe(client)))
    old = time.time() - 25 * 3600
    for path in [*(home / "spool" / "blobs").iterdir(), *(home / "spool" / "jobs").iterdir()]:
        os.utime(path, (old, old))
    with serving(home) as daemon, daemon.client() as client:
        assert client.jobs() == []
        assert list((home / "spool" / "blobs").iterdir()) == []
        with pytest.raises(Exception, match=f"No job {job.job} is known"):
            client.watch(job.job)


def test_the_front_stays_small_and_never_loads_torch_or_numpy(home: Path) -> None:
    script = (
        "import sys; from vaporbrush_daemon import config; from vaporbrush_daemon.front.serve import serve;"
        "serve(config.load());"
        "sys.exit(', '.join(sorted({'torch', 'torchvision', 'numpy'} & set(sys.modules))) or 0)"
    )
    daemon = Daemon(home)
    process = daemon.launch(os.sys.executable, "-c", script)
    until((home / "connection.json").exists, "it serves")
    with daemon.client() as client:
        assert paints(client, tint=1)
        client.styles(), client.status(), client.models(), client.estimate(recipe(client))
        resident = next(
            int(line.split()[1])
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
            if "VmRSS" in line
        )
        client.shutdown()
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert resident < 60 * 1024, f"{resident} kB"


def test_systemd_hears_when_it_serves_lives_and_ends(home: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(home.parent / "notify"))
        manager.settimeout(10)
        env = {"NOTIFY_SOCKET": str(home.parent / "notify"), "WATCHDOG_USEC": "200000"}
        daemon = Daemon(home).start(env=env)
        heard = [manager.recv(100) for _ in range(3)]
        assert heard == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        daemon.stop()
        manager.setblocking(False)
        rest = []
        while not rest or rest[-1] != b"STOPPING=1":
            rest.append(manager.recv(100))


def test_a_client_may_connect_before_the_socket_starts_the_daemon(home: Path) -> None:
    """Socket activation: the manager listens, the client waits in the backlog, the daemon takes the socket over."""
    daemon = Daemon(home).start()
    daemon.stop()  # the connection file, with its token, exists from now on
    path = home / "run" / "daemon.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(16)
        waiting = Client(Connection.read(home), 20.0)
        fd = listening.fileno()
        script = f"import os, sys; os.dup2({fd}, 3, inheritable=True); os.environ['LISTEN_PID'] = str(os.getpid()); "
        script += "os.execv(sys.executable, [sys.executable, '-m', 'vaporbrush_daemon.front.serve'])"
        process = daemon.launch(os.sys.executable, "-c", script, env={"LISTEN_FDS": "1"}, pass_fds=(fd,))
        try:
            with waiting:
                assert until(lambda: _answers(waiting), "it answers")
                assert waiting.hello()["pid"] == process.pid
                assert paints(waiting, tint=1)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()
        assert process.returncode == 0
        assert path.exists(), "the manager's socket stays for the next start"


def _answers(client: Client) -> bool:
    try:
        client.ping()
    except LinkError:
        return False
    return True


def test_nothing_of_a_finished_test_daemon_is_left(home: Path) -> None:
    """Our own hygiene: the worker ends with the daemon."""
    daemon = Daemon(home).start()
    with daemon.client() as client:
        assert paints(client, tint=1)
        worker = daemon.worker_pid()
    daemon.stop()
    listed = subprocess.run(["ps", "-o", "pid=", "-p", str(worker)], capture_output=True, text=True, check=False)
    assert listed.stdout.strip() == ""
