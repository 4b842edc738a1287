"""What `status` tells of a studio always fits a header, however many nodes there are, and however many have left."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from support.clock import Clock
from support.studio import asked
from vaporbrush_daemon.config import load
from vaporbrush_daemon.front.models import Models
from vaporbrush_daemon.front.reports import DaemonInfo, Reports
from vaporbrush_daemon.front.studio import FAILURES, GONE, StudioDoor
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.policy import Policy
from vaporbrush_daemon.scheduling.scheduler import Scheduler
from vaporbrush_daemon.workers.messages import STUDIO_DEVICES, DeviceFacts, Ready
from vaporbrush_daemon.workers.pool import StudioMoved, StudioTrouble
from vaporbrush_protocol.codec import decode, encode
from vaporbrush_protocol.replies import check_reply

LONG = "a-node-with-a-name-as-long-as-can-be-".ljust(60, "x")
TITLE = "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition"
MOVED = 10**12


class Front:
    """What `status` is made from, with a studio and no process."""

    def __init__(self, home: Path) -> None:
        settings = {f"VAPORBRUSH_STUDIO_{name}": f"/etc/vaporbrush/{name}" for name in ("CA", "CERTIFICATE", "KEY")}
        scheduler = {"VAPORBRUSH_STUDIO_SCHEDULER": "tls://scheduler.studio.example:8786"}
        config = load(environment={"VAPORBRUSH_HOME": str(home), **scheduler, **settings})
        self.clock, self.scheduler = Clock(), Scheduler(Policy(max_jobs=1000), ("cuda:0",))
        pool: Any = SimpleNamespace(facts=lambda _: (4_000_000, MOVED))
        spool: Any = SimpleNamespace(total=MOVED, budget=MOVED)
        remotes: Any = SimpleNamespace(known=())
        self.door = StudioDoor(config, pool, self.clock)
        self.reports = Reports(
            config=config, info=DaemonInfo("boot", 0.0, ["ipc:///run/daemon.sock"]), scheduler=self.scheduler,
            spool=spool, pool=pool, models=Models(config), remotes=remotes, studio=self.door, counters=Counter(),
            clock=self.clock,
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        """As a client gets it. Raises `RequestError` where it cannot be sent."""
        header, _ = decode(encode({"id": 1, "ok": True, **self.reports.status(ev.Ticket(b"peer", 1))}))
        check_reply("status", header, None)
        return header


def test_as_many_nodes_as_may_be_all_at_work_fit_into_status(home: Path) -> None:
    front = Front(home)
    devices = tuple(
        DeviceFacts(f"{LONG}{n:04}/cuda:0", f"{LONG}{n:04} ({TITLE})", MOVED, MOVED) for n in range(STUDIO_DEVICES)
    )
    front.scheduler.handle(front.clock(), ev.StudioKnown(devices))
    for number, one in enumerate(devices):
        front.scheduler.handle(front.clock(), ev.Submitted(asked("0" * 32 + f"{number:04}", device=one.name)))
    for key, slot in list(front.scheduler.slots.items()):
        facts = DeviceFacts(slot.device.partition("/")[2] or slot.device)
        front.scheduler.handle(front.clock(), ev.WorkerSaid(key, Ready(slot.device, (facts,))))
    for number in range(1000):  # that were in before
        front.door.heard(StudioMoved(f"{LONG}{number + STUDIO_DEVICES:04}", MOVED))
    for number in range(FAILURES):
        front.door.heard(StudioTrouble(LONG, f"{number} " + "ü" * 2000))
    told = front.status()
    assert [one["device"] for one in told["devices"] if "/" in one["device"]] == [one.name for one in devices]
    assert sum(one["job"] != "" for one in told["workers"]) == STUDIO_DEVICES
    nodes = told["studio"]["nodes"]
    assert len(nodes) == STUDIO_DEVICES + GONE + 1
    assert sum(one["moved_bytes"] for one in nodes) == 1000 * MOVED
    assert nodes[0] == {"node": "", "moved_bytes": (1000 - GONE) * MOVED}


def test_a_node_that_comes_back_is_told_by_its_name_again(home: Path) -> None:
    front = Front(home)
    for name in ["box1", *(f"pod-{number}" for number in range(GONE)), "box1"]:
        front.door.heard(StudioMoved(name, 5))
    assert {"node": "box1", "moved_bytes": 10} in front.status()["studio"]["nodes"]


def test_what_could_not_be_sent_is_made_fit_to_be_shown(home: Path) -> None:
    front = Front(home)
    front.door.heard(StudioTrouble("box1", "No place in /home/ren\udce9/pictures\n" + "x" * 10_000))
    (failure,) = front.status()["studio"]["failures"]
    assert failure["message"].startswith("No place in /home/ren\\xe9/pictures\\x0a")
    assert failure["message"].endswith("…")
