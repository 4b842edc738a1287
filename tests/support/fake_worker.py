"""A worker without torch: it speaks the real protocol and misbehaves as the recipe's seed says.

    python fake_worker.py --device cpu [--start never|die|nonsense|slow] [--gpus 24,8] [--called NAME] [--step 0.01]

`--gpus` gives it a machine with so many GPUs of so many GB, `--called` what their maker calls them; one is gone while a
file `gone-cuda:1` lies in the current folder (the daemon's home). A picture diverges while there is a file
`diverges-SHA256`. Deaths that happen once are counted in files there too, because the process is a new one each time.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from pathlib import Path

import msgpack

from vaporbrush_daemon.workers import pipe
from vaporbrush_daemon.workers.messages import (
    Alive,
    DeviceFacts,
    Done,
    Failed,
    Paint,
    Preview,
    Progressed,
    Ready,
    to_wire,
)
from vaporbrush_protocol.errors import RemoteError
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.result import Result

(WELL, DIES_ONCE, DIES, STUCK_ONCE, STUCK, OOM_ONCE, OOM, DIVERGES, ENDLESS, DEAF, NONSENSE, DISK_FULL, NO_PICTURE,
 UNKNOWN_EVENT, HUGE) = range(15)  # fmt: skip
BROKEN = (NONSENSE, NO_PICTURE, UNKNOWN_EVENT, HUGE)  # ways to break the protocol
STEP_S = 0.01
SLOW_START_S, SLOW_LOAD_S = 0.5, 0.4  # of the one that starts slowly


class FakeWorker:
    """One process."""

    def __init__(self, device: str, devices: tuple[DeviceFacts, ...], load_s: float, step_s: float) -> None:
        self.device, self.devices, self.load_s, self.step_s = device, devices, load_s, step_s
        self.pipe = pipe.WorkerPipe.of_this_process()

    def run(self) -> None:
        self.pipe.tell(Ready(self.device, self.devices))
        free = next(one.free for one in self.devices if one.name == self.device)
        while True:
            self.paint(self.pipe.next_painting())
            self.pipe.tell(Alive(free))

    def first_time(self, job: str) -> bool:
        mark = Path(f"fake-{job}")
        if mark.exists():
            return False
        mark.touch()
        return True

    def paint(self, task: Paint) -> None:
        recipe, does = task.recipe, task.recipe.seed
        steps = 1_000_000 if does in (ENDLESS, DEAF) else recipe.steps or 3
        pixels = Path(task.files[recipe.content.blob]).read_bytes()
        self.pipe.tell(Progressed(task.job, Progress("loading")))
        time.sleep(self.load_s)
        self.load_s = 0.0
        for step in range(1, steps + 1):
            if self.pipe.wanted == "cancel" and does != DEAF:
                self.fail(task, "cancelled", "The job was cancelled.")
                return
            if self.pipe.wanted == "finish":
                break
            if step == 2 and self.misbehave(task):
                return
            time.sleep(self.step_s)
            assert Path(task.out).is_dir(), "the folder was taken away while the job ran"
            progress = Progress("painting", scale=1, scales=1, step=step, steps=steps, loss=1.0 / step)
            side = self.pipe.preview
            self.pipe.tell(Progressed(task.job, progress, Preview(side, 1, bytes(3 * side)) if side else None))
        # the "painting" is the content's negative, so that a test can tell whose picture it got
        painted = bytes(255 - byte for byte in pixels)
        image = recipe.content.of(
            painted, recipe.content.width, recipe.content.height, recipe.content.channels, recipe.content.depth
        )
        (Path(task.out) / hashlib.sha256(painted).hexdigest()).write_bytes(painted)
        stopped = "finish" if self.pipe.wanted == "finish" else "steps"
        self.pipe.tell(Done(task.job, Result(image, recipe, recipe.model, self.device, step, stopped, canvas=image)))

    def misbehave(self, task: Paint) -> bool:
        """What the seed says. Returns whether the job has ended with it."""
        does = task.recipe.seed
        if does == DIES or (does == DIES_ONCE and self.first_time(task.job)):
            os.kill(os.getpid(), 9)
        if does == STUCK or (does == STUCK_ONCE and self.first_time(task.job)):
            time.sleep(3600)
        if does == OOM or (does == OOM_ONCE and task.plan_step == 0):
            self.fail(task, "out_of_memory", "The device ran out of memory.")
            return True
        if does == DIVERGES or Path(f"diverges-{task.recipe.content.blob}").exists():
            self.fail(task, "diverged", "The loss became NaN at step 2.")
            return True
        if does == DISK_FULL:
            self.fail(task, "disk_full", "The disk is full.")
            return True
        if does in BROKEN:
            self.break_the_rules(task)
            time.sleep(3600)
        return False

    def break_the_rules(self, task: Paint) -> None:
        image = task.recipe.content
        done = to_wire(Done(task.job, Result(image, task.recipe, "vgg19", self.device, 1, "steps")))
        bodies = {
            NONSENSE: b"\xc1\xc1",
            NO_PICTURE: msgpack.packb({**done, "result": {**done["result"], "image": "x"}}),
            UNKNOWN_EVENT: msgpack.packb({"event": "painted", "job": task.job}),
        }
        body = bodies.get(task.recipe.seed, b"")
        length = pipe.MAX_MESSAGE_BYTES + 1 if task.recipe.seed == HUGE else len(body)
        self.pipe._events.write(pipe.LENGTH.pack(length) + body)
        self.pipe._events.flush()

    def fail(self, task: Paint, code: str, message: str) -> None:
        self.pipe.tell(Failed(task.job, RemoteError(code, message)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--start", default="well", choices=("well", "never", "die", "nonsense", "slow"))
    parser.add_argument("--gpus", default="")
    parser.add_argument("--called", default="", help="what their maker calls the GPUs")
    parser.add_argument("--step", default=STEP_S, type=float, help="seconds")
    options = parser.parse_args()
    if options.start == "die":
        sys.exit("The fake worker was asked to die.")
    if options.start == "nonsense":
        os.write(1, b"Warning: no GPU found\n")
        time.sleep(3600)
    if options.start == "never":
        time.sleep(3600)
    sizes = [int(float(size) * 10**9) for size in options.gpus.split(",") if size]
    titles = [options.called or f"Fake {size // 10**9}" for size in sizes]
    gpus = [DeviceFacts(f"cuda:{i}", titles[i], size, size) for i, size in enumerate(sizes)]
    known = [one for one in gpus if not Path(f"gone-{one.name}").exists()]
    devices = (*known, DeviceFacts("cpu"))
    device = devices[0].name if options.device == "auto" else options.device
    if device not in {one.name for one in devices} and gpus:
        sys.exit(f"The device {device} does not exist here; there is {', '.join(one.name for one in devices)}.")
    if not gpus:
        devices = (DeviceFacts(device),)
    slow = options.start == "slow"
    time.sleep(slow * SLOW_START_S)
    FakeWorker(device, devices, slow * SLOW_LOAD_S, options.step).run()


if __name__ == "__main__":
    main()
