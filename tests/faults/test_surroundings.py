"""What a machine does to a daemon: no network, a read-only disk, a clock that jumps, a driver that fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import skip
from support import poisoned_worker
from support.daemon import ROOT, Daemon, bystander, ended, environment, negative, picture, recipe, serving, until
from vaporbrush_protocol import Image, Recipe, RemoteError, Style

DAY_S = 86_400.0
LOADED_S = 240.0  # torch alone takes a minute to import where the disk and both cores are busy


def in_a_namespace(*options: str) -> tuple[str, ...]:
    """A command that runs another with something of the system replaced; needs root, or user namespaces."""
    words = ("unshare", *(() if os.geteuid() == 0 else ("--map-root-user",)), *options)
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        skip("neither root nor user namespaces: no private network or mounts")
    return words


def test_without_any_network_everything_works(home: Path) -> None:
    daemon = Daemon(home)
    serve = (sys.executable, "-m", "vaporbrush_daemon.front.serve")
    daemon.process = daemon.launch(*in_a_namespace("--net"), *serve)
    try:
        until((home / "connection.json").exists, "it serves")
        with daemon.client() as client:
            job = ended(client, client.submit(recipe(client)))
            assert bytes(client.download(job.image)) == negative(picture()[1])
    finally:
        daemon.process.terminate()
        assert daemon.process.communicate()[1] is not None


def test_a_home_on_a_read_only_disk_gets_one_clear_line(home: Path) -> None:
    Daemon(home)
    mount = f"mount --bind '{home}' '{home}' && mount -o remount,ro,bind '{home}' && exec \"$@\""
    words = (*in_a_namespace("--mount"), "sh", "-c", mount, "sh")
    done = subprocess.run(
        [*words, sys.executable, "-m", "vaporbrush_daemon", "serve", "--foreground"],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78, done.stderr
    assert "Traceback" not in done.stderr
    assert str(home) in done.stderr


@pytest.mark.parametrize("jump", [DAY_S, -DAY_S], ids=["ahead", "back"])
def test_a_clock_that_jumps_by_a_day_loses_nothing(home: Path, tmp_path: Path, jump: float) -> None:
    clock = tmp_path / "clock"
    path = os.pathsep.join([str(ROOT / "tests/support/moved_clock"), environment(home)["PYTHONPATH"]])
    daemon = Daemon(home).start(env={"PYTHONPATH": path, "MOVED_CLOCK": str(clock)})
    try:
        with bystander(daemon), daemon.client() as client:
            kept = ended(client, client.submit(recipe(client, tint=3)))
            waiting = client.submit(recipe(client, tint=4, steps=200), lease_s=60.0)
            clock.write_text(str(jump))
            assert ended(client, waiting).state == "done"
            assert client.watch(kept.job, 0, 0.0).state == "done"
            assert bytes(client.download(kept.image)) == negative(picture(tint=3)[1])
    finally:
        daemon.stop()


def test_a_driver_that_fails_for_good_costs_a_worker_and_one_attempt(home: Path) -> None:
    """Injected as the driver's own type of error; the worker and its painter are the real ones."""
    worker = [sys.executable, "-P", poisoned_worker.__file__]
    with serving(home, worker_command=worker, weights="") as daemon, daemon.client(60.0) as client:
        content, pixels = picture(32, 32)
        client.upload(pixels)
        wanted = Recipe(content, (Style(image=content),), steps=1, model="vgg19-lite")
        job = ended(client, client.submit(wanted, lease_s=600.0), LOADED_S)
        assert (job.state, job.attempts) == ("done", 2), job.error
        assert isinstance(job.image, Image)
        again = ended(client, client.submit(wanted, lease_s=600.0), LOADED_S)
        assert (again.state, again.attempts) == ("done", 1)


def test_a_device_that_is_not_there_is_named_and_auto_paints_on_what_is(home: Path) -> None:
    with serving(home, devices=[]) as daemon, daemon.client() as client, bystander(daemon):
        asked = recipe(client, device="cuda:1")
        with pytest.raises(RemoteError) as refused:
            client.submit(asked)
        assert refused.value.code == "device_missing"
        assert "`cuda:1`" in refused.value.message
        assert "there is cpu" in refused.value.message
        job = ended(client, client.submit(recipe(client, device="auto")))
        assert job.state == "done"
        assert job.result["device"] == "cpu"


def test_a_device_of_which_nobody_knew_fails_the_job_when_the_first_worker_has_looked(home: Path) -> None:
    with serving(home, devices=[]) as daemon, daemon.client() as client:
        job = ended(client, client.submit(recipe(client, device="cuda:1")))
        assert (job.state, job.error.code) == ("failed", "device_missing")
        assert "there is cpu" in job.error.message
