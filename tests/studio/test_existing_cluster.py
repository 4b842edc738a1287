"""A daemon that paints on a Dask cluster which was there before it: real schedulers and workers, over mutual TLS."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from studio.conftest import paint
from support import fake_worker as fake
from support.daemon import Daemon, ended, environment, negative, picture, running, serving, until
from support.dask_cluster import Authority, DaskCluster, dask_cluster
from support.nodes import free_port, listening
from support.program import children, gone, vaporbrush
from vaporbrush_daemon.config import ConfigError, load

IN_S = 60.0  # a process that imports Dask and asks its painter for devices
GIVEN_UP_S = 90.0  # a node that is silent; 20 s are wanted


@pytest.fixture(scope="module")
def cluster() -> Iterator[DaskCluster]:
    with tempfile.TemporaryDirectory(prefix="vp-") as folder, dask_cluster(Path(folder)) as made:
        yield made


@pytest.fixture(scope="module")
def head(cluster: DaskCluster) -> Iterator[Daemon]:
    """The daemon, with our node and Dask's own worker of ours, and with somebody else's worker."""
    with serving(cluster.folder / "home", **cluster.settings("head")) as daemon:
        cluster.start_node("box1", "--gpus", "24")
        cluster.start_worker("box2", "--gpus", "24")
        cluster.start_worker("somebody-elses", ours=False)
        wait_for(daemon, cluster, "box1/cuda:0", "box2/cuda:0")
        yield daemon


@pytest.fixture(scope="module")
def box3(cluster: DaskCluster, head: Daemon) -> None:
    """A third node, which nobody has frozen."""
    cluster.start_node("box3", "--gpus", "24")
    until(lambda: "box3/cuda:0" in devices(head), f"it is in: {head.log()} {cluster.told()}", IN_S)


def devices(head: Daemon) -> list[str]:
    with head.client() as client:
        return sorted(one["device"] for one in client.status()["devices"] if "/" in one["device"])


def wait_for(head: Daemon, cluster: DaskCluster, *wanted: str) -> None:
    until(lambda: devices(head) == sorted(wanted), f"{wanted} are in: {head.log()} {cluster.told()}", IN_S)


def working_on(head: Daemon, job: str) -> str:
    with head.client() as client:
        return next((one["device"] for one in client.status()["workers"] if one["job"] == job), "")


def test_our_node_and_dasks_own_worker_paint_and_others_workers_are_left_alone(
    cluster: DaskCluster, head: Daemon
) -> None:
    until(lambda: "Registered to" in cluster.said("somebody-elses"), "the other one is in the cluster, too", IN_S)
    with head.client() as client:
        for number, device in enumerate(("box1/cuda:0", "box2/cuda:0")):
            done = ended(client, paint(client, tint=number, device=device))
            assert (done.state, done.attempts) == ("done", 1), done.error
            assert bytes(client.download(done.image)) == negative(picture(tint=number)[1])
    assert devices(head) == ["box1/cuda:0", "box2/cuda:0"]
    shown = " ".join(vaporbrush("studio", "status", env=environment(head.home)).stdout.split())
    assert f"The studio at {cluster.url} is open" in shown
    assert "box1: in" in shown
    assert psutil.Process(cluster.processes["somebody-elses"].pid).children() == [], "no painter was started there"


def test_nobody_of_it_listens_plainly(cluster: DaskCluster, head: Daemon) -> None:
    for name in ("box1", "box2"):
        assert len(listening(cluster.processes[name].pid)) == 1, "one port, in TLS, and no pages in HTTP"
    assert all(isinstance(one, str) or not one for one in listening(head.pid))
    (bridge,) = children(head.pid, "studio.head")
    assert listening(bridge.pid) == [], "it is a client"


def test_a_second_daemon_does_not_take_the_nodes_of_the_first(cluster: DaskCluster, head: Daemon) -> None:
    with serving(cluster.folder / "second", **cluster.settings("second")) as second, head.client() as client:
        until(lambda: second.log().count("paints for another daemon") == 2, f"it is told: {second.log()}", IN_S)
        assert devices(second) == []
        assert ended(client, paint(client, tint=9, device="box1/cuda:0")).state == "done"


def test_a_node_that_freezes_is_given_up_though_the_cluster_waits_for_minutes(
    cluster: DaskCluster, head: Daemon
) -> None:
    with head.client() as client:
        job = running(client, paint(client, tint=4, seed=fake.ENDLESS, device="auto"))
        lost = working_on(head, job.job)
        process = cluster.processes[lost.split("/")[0]]
        painters = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        os.kill(process.pid, signal.SIGSTOP)
        try:
            until(lambda: working_on(head, job.job) not in ("", lost), f"painted elsewhere: {head.log()}", GIVEN_UP_S)
        finally:
            os.kill(process.pid, signal.SIGCONT)
        until(lambda: all(map(gone, painters)), "the old painter is gone", GIVEN_UP_S)
        client.finish(job.job)
        done = ended(client, job)
        assert (done.state, done.attempts) == ("done", 2), done.error
        assert bytes(client.download(done.image)) == negative(picture(tint=4)[1])


@pytest.mark.usefixtures("box3")
def test_a_killed_bridge_leaves_no_painter_in_a_cluster_that_goes_on(cluster: DaskCluster, head: Daemon) -> None:
    with head.client() as client:
        job = running(client, paint(client, tint=5, seed=fake.ENDLESS, device="box3/cuda:0"))
        process = psutil.Process(cluster.processes["box3"].pid)
        painters = [child.pid for child in process.children(recursive=True)]
        (bridge,) = children(head.pid, "studio.head")
        bridge.kill()
        until(lambda: all(map(gone, painters)), "its painters end", GIVEN_UP_S)
        until(lambda: "box3/cuda:0" in devices(head), f"it is in again: {head.log()} {cluster.told()}", GIVEN_UP_S)
        client.cancel(job.job)
        assert ended(client, paint(client, tint=6, device="box3/cuda:0")).state == "done"


@pytest.mark.usefixtures("box3")
def test_a_scheduler_that_ends_and_comes_back_is_joined_again(cluster: DaskCluster, head: Daemon) -> None:
    cluster.kill("scheduler")
    until(lambda: devices(head) == [], "the nodes are gone")
    until(lambda: "has ended" in head.log(), "and the log says why")
    cluster.start_scheduler()
    until(lambda: "box3/cuda:0" in devices(head), f"the node is back: {head.log()} {cluster.told()}", GIVEN_UP_S)


# -- what is wrong


def refused(tmp_path: Path, words: str, **settings: str) -> None:
    """The daemon serves on without the studio, and its log says why in one sentence."""
    with serving(tmp_path / "home", **settings) as daemon, daemon.client() as client:
        until(lambda: words in daemon.log(), f"it says {words!r}: {daemon.log()}", IN_S)
        assert "Traceback" not in daemon.log()
        until(lambda: words in str(client.status()["studio"]["failures"]), "`status` says it, too")
        assert ended(client, paint(client)).state == "done", "it paints here"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("tcp://head:8786", "nothing travels plainly here"),
        ("head:8786", "must be tls://HOST:PORT"),
        ("tls://head", "must be tls://HOST:PORT"),
        ("tls://head:0", "must be tls://HOST:PORT"),
        ("tls://head:99999", "must be tls://HOST:PORT"),
        ("tls://head:8786/path", "must be tls://HOST:PORT"),
        ("tls://head:8786", "needs `studio_ca`"),
    ],
)
def test_a_scheduler_that_cannot_be_meant_is_refused_before_anything_starts(home: Path, url: str, words: str) -> None:
    Daemon(home, studio_scheduler=url)
    with pytest.raises(ConfigError, match=words):
        load(environment={"VAPORBRUSH_HOME": str(home)})
    done = vaporbrush("studio", "join", env={**os.environ, "VAPORBRUSH_HOME": str(home)})
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_a_studio_of_ones_own_is_not_opened_beside_it(cluster: DaskCluster, home: Path) -> None:
    Daemon(home, **cluster.settings("both"))
    done = vaporbrush("studio", "open", "--listen", "127.0.0.1", env=environment(home))
    assert done.returncode != 0
    assert "remove that setting first" in " ".join(done.stderr.split())
    assert not (home / "studio").exists()


def test_files_that_are_no_certificates_are_named(cluster: DaskCluster, tmp_path: Path) -> None:
    good = cluster.settings("files")
    (tmp_path / "rubbish.pem").write_text("hello")
    refused(tmp_path / "1", "`studio_ca` is /nowhere/ca.pem: No such file", **{**good, "studio_ca": "/nowhere/ca.pem"})
    refused(tmp_path / "2", "cannot be used", **{**good, "studio_certificate": str(tmp_path / "rubbish.pem")})
    other = cluster.settings("other")
    refused(tmp_path / "3", "the key of", **{**good, "studio_key": other["studio_key"]})
    Path(other["studio_key"]).chmod(0o644)
    refused(tmp_path / "4", "chmod 600", **other)


def test_nobody_there_is_said_in_a_sentence(cluster: DaskCluster, tmp_path: Path) -> None:
    nobody = f"tls://127.0.0.1:{free_port()}"
    refused(tmp_path, "Nothing can be reached at", **{**cluster.settings("lonely"), "studio_scheduler": nobody})


def test_an_authority_that_is_not_the_clusters_is_named(cluster: DaskCluster, tmp_path: Path) -> None:
    foreign = Authority(tmp_path / "foreign").settings("stranger")
    good = cluster.settings("half")
    words = "does not vouch for"
    refused(tmp_path / "1", words, studio_scheduler=cluster.url, **foreign)
    mixed = {**foreign, "studio_ca": good["studio_ca"], "studio_scheduler": cluster.url}
    refused(tmp_path / "2", "does not accept", **mixed)
    expired = {"studio_scheduler": cluster.url, **cluster.authority.settings("old", timedelta(days=1000))}
    refused(tmp_path / "3", "does not accept", **expired)


def test_what_speaks_plainly_behind_such_an_address_is_told_from_a_scheduler(
    cluster: DaskCluster, tmp_path: Path
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as plain:

        def greet() -> None:
            while True:
                try:
                    line, _ = plain.accept()
                except OSError:  # the test is over
                    return
                with closing(line):
                    line.recv(1024)
                    line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=greet, daemon=True).start()
        url = f"tls://127.0.0.1:{plain.getsockname()[1]}"
        refused(tmp_path, "speaks no TLS 1.3", **{**cluster.settings("plain"), "studio_scheduler": url})


def test_a_dask_worker_that_would_speak_plainly_ends_with_a_sentence(cluster: DaskCluster) -> None:
    cluster.run(
        "plain", sys.executable, "-m", "distributed.cli.dask_worker", f"tcp://127.0.0.1:{free_port()}", "--no-nanny",
        "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--preload", "vaporbrush_daemon.studio.preload",
        env=environment(cluster.folder / "plain"),
    )  # fmt: skip
    until(lambda: cluster.processes["plain"].poll() is not None, f"it ends: {cluster.said('plain')}", IN_S)
    assert "would speak plainly" in cluster.said("plain")
