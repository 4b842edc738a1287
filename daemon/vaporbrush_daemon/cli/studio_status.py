"""What `studio status` shows: nodes, their devices, what each paints, bytes moved, and what went wrong last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from vaporbrush_daemon.studio.members import Studio
from vaporbrush_daemon.texts import _
from vaporbrush_protocol import connect
from vaporbrush_protocol.errors import LinkError
from vaporbrush_protocol.job import Job

from . import terminal


def look(opened: Studio | None, elsewhere: str) -> dict[str, Any]:
    """Everything, as `--json` gives it. `elsewhere` is the scheduler of a cluster that is there already, or empty.

    Raises `LinkError`, but not where no daemon runs: `runs` says whether one does.
    """
    status: Mapping[str, Any] = {}
    jobs: Sequence[Job] = ()
    try:
        with connect() as client:
            status, jobs = client.status(), client.jobs()
    except LinkError as error:
        if error.code != "no_daemon":
            raise
    told = status.get("studio") or {}
    moved = {one["node"]: one["moved_bytes"] for one in told.get("nodes", ())}
    members = (
        [one.name for one in opened.nodes if not one.removed] if opened and not elsewhere else [*filter(None, moved)]
    )
    return {
        "head": elsewhere or (opened.url if opened else ""),
        "elsewhere": bool(elsewhere),
        "open": bool(elsewhere) or bool(opened and opened.open),
        "runs": bool(status),
        "nodes": [
            {"name": name, "moved_bytes": moved.get(name, 0), "devices": _devices(name, status, jobs)}
            for name in members
        ],
        "moved_bytes": sum(moved.values()),
        "failures": list(told.get("failures", ())),
    }


def _devices(node: str, status: Mapping[str, Any], jobs: Sequence[Job]) -> list[dict[str, str]]:
    """A node's that are in the studio now."""
    workers = {one["device"]: one for one in status.get("workers", ())}
    known = {job.job: job for job in jobs}
    found = []
    for one in status.get("devices", ()):
        if one["device"].startswith(f"{node}/"):
            worker = workers.get(one["device"], {})
            job = known.get(worker.get("job", ""))
            found.append(
                {
                    "device": one["device"],
                    "title": one["title"],
                    "state": worker.get("state", "stopped"),
                    "job": worker.get("job", ""),
                    "label": job.label if job else "",
                    "progress": f"{terminal.heading(job)}, {terminal.detail(job)}" if job and job.progress else "",
                }
            )
    return found


def in_lines(seen: Mapping[str, Any]) -> Iterator[str]:
    """The same for people."""
    open_ = _("The studio at {url} is open.")
    closed = _("The studio at {url} is closed: `vaporbrush studio open` opens it.")
    moved = _("{amount} of pictures have moved.").format(amount=terminal.amount(seen["moved_bytes"]))
    yield f"{(open_ if seen['open'] else closed).format(url=seen['head'])} {moved}"
    if not seen["runs"]:
        yield _("No daemon runs here; the nodes wait for it. `vaporbrush serve` starts it.")
    for node in seen["nodes"]:
        here = _("{name}: in, {amount} moved") if node["devices"] else _("{name}: not here")
        yield here.format(name=node["name"], amount=terminal.amount(node["moved_bytes"]))
        for device in node["devices"]:
            painted = " · ".join(filter(None, (device["label"], device["job"][:8], device["progress"])))
            yield f"  {device['title']}: {terminal.worker_word(device['state'])} {painted}".rstrip()
    if not seen["nodes"]:
        there = _("No node is in that cluster yet: `vaporbrush studio join` on each, with the same settings.")
        yield there if seen["elsewhere"] else _("No node was let in yet. `vaporbrush studio add NAME` does.")
    if seen["failures"]:
        yield _("Last failures:")
    for one in seen["failures"]:
        when = datetime.fromtimestamp(one["at"], UTC).astimezone()
        yield f"  {when:%H:%M:%S} {one['node'] + ': ' if one['node'] else ''}{one['message']}"
