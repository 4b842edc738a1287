"""Who does not belong to the studio hears nothing from it, at any of its ports, and disturbs nobody."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from studio.conftest import paint
from support.daemon import Daemon, ended, environment, until
from support.nodes import StudioOfNodes, listening, studio
from support.program import vaporbrush
from support.strangers import WAIT_S, client_hello, damaged, heard_plainly
from vaporbrush_daemon.studio import members

MUTATIONS = 300  # of a handshake's first message, for each port; `make torture` sends 100,000
HTTP = b"GET /json/counts.json HTTP/1.1\r\nHost: studio\r\n\r\n"


@pytest.fixture(scope="module")
def boxes() -> Iterator[StudioOfNodes]:
    one = {"box1": ("--gpus", "24")}
    with tempfile.TemporaryDirectory(prefix="vp-") as folder, studio(Path(folder), Path(folder) / "home", one) as made:
        yield made


@pytest.fixture
def ports(boxes: StudioOfNodes) -> list[tuple[str, int]]:
    """All that anybody can connect to."""
    node = boxes.nodes["box1"].process
    assert node is not None
    return [*listening(boxes.bridge()), *listening(node.pid)]


class Certificate:
    """Of somebody who asked the authority in `home` for it."""

    def __init__(self, folder: Path, authority_home: Path, when: datetime) -> None:
        from vaporbrush_daemon.studio import authority

        own = folder / "own"
        text, self.serial = authority.admit(authority_home, "somebody", authority.request(own, "somebody"), when)
        self.key, self.file = own / members.NODE / authority.KEY, folder / "certificate.pem"
        self.file.write_text(text)


def context(certificate: Certificate | None, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode, made.maximum_version = False, ssl.CERT_NONE, newest
    if certificate is not None:
        made.load_cert_chain(certificate.file, certificate.key)
    return made


def heard(port: tuple[str, int], how: ssl.SSLContext) -> bytes:
    """What is said to whoever connects so. Dask greets whom it lets in."""
    plain = socket.create_connection(port, WAIT_S)
    with contextlib.suppress(OSError), how.wrap_socket(plain) as line:  # cut off without a word
        return line.recv(65536)
    return b""


def test_a_member_is_greeted(boxes: StudioOfNodes, ports: list[tuple[str, int]], tmp_path: Path) -> None:
    """Otherwise the other tests would prove nothing."""
    certificate = Certificate(tmp_path, boxes.head.home, datetime.now(UTC))
    assert all(heard(port, context(certificate)) for port in ports)


def test_whoever_speaks_plainly_hears_nothing_but_an_alert(ports: list[tuple[str, int]]) -> None:
    for port in ports:
        assert len(heard_plainly(port, HTTP)) <= 7, "an alert of TLS at the most"


def test_whoever_shows_no_certificate_hears_nothing(ports: list[tuple[str, int]]) -> None:
    assert not any(heard(port, context(None)) for port in ports)


def test_whoever_shows_a_certificate_of_another_authority_hears_nothing(
    ports: list[tuple[str, int]], tmp_path: Path
) -> None:
    from vaporbrush_daemon.studio import authority

    authority.found(tmp_path / "another", datetime.now(UTC))
    certificate = Certificate(tmp_path, tmp_path / "another", datetime.now(UTC))
    assert not any(heard(port, context(certificate)) for port in ports)


def test_whoever_shows_an_expired_certificate_hears_nothing(
    boxes: StudioOfNodes, ports: list[tuple[str, int]], tmp_path: Path
) -> None:
    certificate = Certificate(tmp_path, boxes.head.home, datetime.now(UTC) - timedelta(days=1000))
    assert not any(heard(port, context(certificate)) for port in ports)


def test_whoever_was_removed_hears_nothing_from_the_head_nor_from_a_node(
    boxes: StudioOfNodes, ports: list[tuple[str, int]], tmp_path: Path
) -> None:
    certificate = Certificate(tmp_path, boxes.head.home, datetime.now(UTC))
    known = members.read(boxes.head.home)
    assert known is not None
    members.write(boxes.head.home, replace(known, nodes=(*known.nodes, members.Member("somebody", certificate.serial))))
    assert all(heard(port, context(certificate)) for port in ports)
    removed = vaporbrush("studio", "remove", "somebody", env=environment(boxes.head.home))
    assert removed.returncode == 0, removed.stderr
    for port in ports:
        until(lambda port=port: not heard(port, context(certificate)), "it is refused")


def test_an_older_tls_is_refused_with_the_best_of_certificates(
    boxes: StudioOfNodes, ports: list[tuple[str, int]], tmp_path: Path
) -> None:
    certificate = Certificate(tmp_path, boxes.head.home, datetime.now(UTC))
    assert not any(heard(port, context(certificate, ssl.TLSVersion.TLSv1_2)) for port in ports)


def test_damaged_handshakes_disturb_nobody(boxes: StudioOfNodes, ports: list[tuple[str, int]]) -> None:
    hello = client_hello()
    chance = random.Random(7)
    with boxes.head.client() as client:
        for number in range(MUTATIONS):
            for port in ports:
                heard_plainly(port, damaged(hello, chance))
            if number % 100 == 0:
                assert ended(client, paint(client, tint=number % 200)).state == "done"
    assert boxes.devices() == ["box1/cuda:0"]


def test_an_address_that_is_nobodys_is_refused(home: Path) -> None:
    Daemon(home)
    for address in ("0.0.0.0", "::", "two words", ""):
        refused = vaporbrush("studio", "open", f"--listen={address}")
        assert refused.returncode == 2
        assert "is no address to listen at" in refused.stderr.replace("\n", " ")
    assert not (home / "studio").exists()
