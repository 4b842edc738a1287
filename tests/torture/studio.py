"""A studio among kills of its bridge, strangers at its ports, and hundreds of megabytes under way."""

from __future__ import annotations

import hashlib
import random
import statistics
import time
import uuid
from pathlib import Path

import psutil

from support import fake_worker as fake
from support.daemon import ended, negative, picture, recipe, running, until
from support.nodes import StudioOfNodes, listening, studio
from support.strangers import client_hello, damaged, heard_plainly
from torture.measure import GROWTH_BYTES, Bystander, Report, Sampler
from vaporbrush_protocol import Client, Image, Job, Recipe, Style

TWO = {"box1": ("--gpus", "24"), "box2": ("--gpus", "24")}
KILL_EVERY_S = 2.0
LATE = 10.0  # times what is promised, on a machine that does other things, are a failure
PING_S = 0.05  # the 99th percentile
CANCEL_S = 0.1  # beyond a step
QUIET_S = 120.0  # until everything is painted after the last kill
LOOK_S = 0.05  # between looks at the memory that strangers take: they are done in seconds
SIDE = 4619  # a picture of 64 MB


def submit(client: Client, tint: int, device: str = "auto", seed: int = fake.WELL) -> Job:
    return client.submit(recipe(client, seed, tint=tint, device=device), str(uuid.uuid4()), lease_s=3600.0)


def painters(boxes: StudioOfNodes) -> list[psutil.Process]:
    """Every process that paints now, on nodes and on the head, and the bridge."""
    parents = [psutil.Process(boxes.head.pid)]
    parents += [psutil.Process(node.process.pid) for node in boxes.nodes.values() if node.process]
    return [child for parent in parents for child in parent.children(recursive=True)]


def bridges(home: Path, seconds: float, seed: int) -> Report:
    """Kill the bridge every two seconds."""
    report = Report(f"a studio whose bridge is killed for {seconds:.0f} s (seed {seed})")
    seen: dict[int, psutil.Process] = {}
    jobs: list[tuple[int, Job]] = []
    kills = 0
    with studio(home.parent, home, TWO, max_jobs=10_000) as boxes, boxes.head.client() as client:
        local = running(client, submit(client, 200, "cpu", fake.ENDLESS))
        with Bystander(home) as pings:
            over = time.monotonic() + seconds
            next_kill = time.monotonic() + KILL_EVERY_S
            while time.monotonic() < over:
                jobs.append((len(jobs) % 200, submit(client, len(jobs) % 200)))
                seen.update((one.pid, one) for one in painters(boxes))
                time.sleep(0.2)
                if time.monotonic() >= next_kill and (bridge := boxes.bridge()):
                    psutil.Process(bridge).kill()
                    kills += 1
                    next_kill = time.monotonic() + KILL_EVERY_S
        late = statistics.quantiles(pings.seconds, n=100)[98] if len(pings.seconds) > 1 else 0.0
        report.say(
            f"{kills} kills; {len(pings.seconds)} pings, 99 % within {late * 1000:.1f} ms", holds=late < LATE * PING_S
        )
        report.say(f"{pings.lost} pings lost", holds=pings.lost == 0)
        now = client.watch(local.job)
        report.say(
            f"the job here is {now.state}, attempt {now.attempts}", holds=(now.state, now.attempts) == ("running", 1)
        )
        client.finish(local.job)
        give_up = time.monotonic() + QUIET_S
        wrong: list[str] = []
        for tint, job in jobs:
            done = ended(client, job, max(1.0, give_up - time.monotonic()))
            if done.state != "done":
                wrong.append(f"{done.state}: {done.error}")
            elif bytes(client.download(done.image)) != negative(picture(tint=tint)[1]):
                wrong.append("other pixels")
        moved = client.status()["counters"].get("studio_bytes_moved", 0)
        report.say(f"{len(jobs)} jobs, {len(wrong)} of them not painted right {wrong[:3] or ''}", holds=not wrong)
        report.say(f"{moved / 1000:.0f} kB went to nodes and back", holds=moved > 0)
        seen.update((one.pid, one) for one in painters(boxes))
    left = [one.pid for one in seen.values() if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    report.say(f"{len(seen)} processes were seen, {len(left)} outlive the studio", holds=not left)
    return report


def strangers(home: Path, count: int, seed: int) -> Report:
    """Mutated handshakes at every port of a head and a node."""
    report = Report(f"strangers at a studio ({count:,} mutated handshakes, seed {seed})")
    chance, hello, sent, answered = random.Random(seed), client_hello(), 0, 0
    with studio(home.parent, home, {"box1": ("--gpus", "24")}) as boxes, boxes.head.client() as client:
        node = boxes.nodes["box1"].process
        assert node is not None
        pids = {"bridge": boxes.bridge(), "node": node.pid}
        ports = {name: listening(pid)[0] for name, pid in pids.items()}
        began = time.monotonic()
        samplers = {name: Sampler(lambda pid=pid: pid, lambda: sent, LOOK_S) for name, pid in pids.items()}
        with samplers["bridge"], samplers["node"]:
            for number in range(count):
                sent += 1
                port = ports["bridge" if number % 2 else "node"]
                answered += len(heard_plainly(port, damaged(hello, chance))) > 4096
                if number % (count // 10) == 0:
                    done = ended(client, submit(client, number % 200, "box1/cuda:0"))
                    report.say(f"after {number:,}: a job is {done.state}", holds=done.state == "done")
        took = time.monotonic() - began
        report.say(f"{sent / took:.0f} a second; {answered} got more than a handshake", holds=answered == 0)
        for name, sampler in samplers.items():
            growth = sampler.growth()
            report.say(
                f"{name}: {growth.value:.1f} ± {growth.error:.1f} B a stranger",
                holds=growth.flat(GROWTH_BYTES / (count / 2)),
            )
        report.say(f"the node is {boxes.devices()}", holds=boxes.devices() == ["box1/cuda:0"])
        same = pids["bridge"] == boxes.bridge()
        report.say(f"the bridge {'is' if same else 'is not'} the same process", holds=same)
    return report


def _large(client: Client, pictures: int, device: str, first: int) -> Job:
    """A job with so many styles of 64 MB, drawn from `first` on."""
    styles = []
    for number in range(first, first + pictures):
        pixels = random.Random(number).randbytes(SIDE * SIDE * 3)
        client.upload(pixels)
        styles.append(Style(image=Image(hashlib.sha256(pixels).hexdigest(), SIDE, SIDE, "RGB")))
    content, small = picture(tint=250)
    client.upload(small)
    asked = Recipe(content=content, styles=tuple(styles), device=device)
    return client.submit(asked, str(uuid.uuid4()), lease_s=3600.0)


def parcels(home: Path, pictures: int) -> Report:
    """Cancel while so many pictures of 64 MB are under way: a job beside, and the one whose they are."""
    report = Report(f"cancelling while {pictures * SIDE * SIDE * 3 / 1e6:.0f} MB are under way to a node")
    with studio(home.parent, home, {"box1": ("--gpus", "24,24")}) as boxes, boxes.head.client() as client:
        beside = running(client, submit(client, 1, "box1/cuda:1", fake.ENDLESS))
        coming = boxes.nodes["box1"].home / "node" / "blobs" / "coming"
        for tint, first, what in ((2, 0, "another's job beside"), (3, pictures, "its own job")):
            large = _large(client, pictures, "box1/cuda:0", first)
            until(lambda: any(coming.iterdir()), "its pictures are under way", 60.0)
            job, device = (large, "box1/cuda:0") if first else (beside, "box1/cuda:1")
            began = time.monotonic()
            client.cancel(job.job)
            state = ended(client, job).state
            told = time.monotonic() - began
            next_one = ended(client, submit(client, tint, device))
            free = time.monotonic() - began
            holds = state == "cancelled" and told < LATE * (fake.STEP_S + CANCEL_S)
            report.say(f"{what}: {state} after {told * 1000:.0f} ms", holds=holds)
            report.say(f"the next there is {next_one.state} after {free:.2f} s", holds=next_one.state == "done")
            client.cancel(large.job)
            ended(client, large)
    return report
