"""A studio at this machine's address in the network: nothing listens there but what was configured."""

from __future__ import annotations

import ipaddress
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest

from conftest import skip
from studio.conftest import paint
from support.daemon import ended
from support.nodes import studio

SS = shutil.which("ss")


def own_address() -> str:
    """By which others in the network would reach this machine; empty where it is in none."""
    found = [one.address for all_of in psutil.net_if_addrs().values() for one in all_of if one.family == socket.AF_INET]
    outside = [one for one in map(ipaddress.IPv4Address, found) if not (one.is_loopback or one.is_link_local)]
    return str(outside[0]) if outside else ""


def listening_outside(pids: set[int]) -> set[tuple[str, str, int]]:
    """Protocol, address and port of what these processes have open to the network, as `ss` sees it."""
    assert SS is not None
    told = subprocess.run([SS, "-H", "-l", "-n", "-p", "-t", "-u"], capture_output=True, text=True, check=True).stdout
    found = set()
    for line in told.splitlines():
        words = line.split()
        if pids & set(map(int, re.findall(r"pid=(\d+)", line))):
            address, _, port = words[4].rpartition(":")
            found.add((words[0], address.strip("[]"), int(port)))
    return {one for one in found if not (one[1].startswith("127.") or one[1] == "::1")}


@pytest.mark.skipif(not own_address(), reason="this machine is in no network")
def test_only_the_configured_port_and_one_of_each_node_are_open_to_the_network() -> None:
    if SS is None:
        skip("ss is not installed: apt-get install iproute2")
    address = own_address()
    with (
        tempfile.TemporaryDirectory(prefix="vp-") as folder,
        studio(Path(folder), Path(folder) / "home", {"box1": ("--gpus", "24")}, address) as boxes,
        boxes.head.client() as client,
    ):
        assert ended(client, paint(client, tint=1, device="box1/cuda:0")).state == "done"
        head = psutil.Process(boxes.head.pid)
        ours = {head.pid, *(child.pid for child in head.children(recursive=True))}
        assert listening_outside(ours) == {("tcp", address, boxes.port)}
        node = boxes.nodes["box1"]
        assert node.process is not None
        (only,) = listening_outside({node.process.pid, *node.workers()})
        assert only[:2] == ("tcp", address), "the node's own, in TLS, at the address by which it reaches the head"
