"""A worker without torch: it speaks the real protocol and misbehaves as the recipe's seed says.

    python fake_worker.py --device cpu [--home FOLDER] [--start never|die]

Deaths that happen once are counted in files of the current folder (the daemon's home), because the process is a new one
each time.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgpack

WELL, DIES_ONCE, DIES, STUCK_ONCE, STUCK, OOM_ONCE, OOM, DIVERGES, ENDLESS, DEAF, NONSENSE, DISK_FULL = range(12)
STEP_S = 0.01


class FakeWorker:
    """One process."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.events = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self.lock = threading.Lock()
        self.arrived = threading.Condition()
        self.commands: list[dict[str, Any]] = []
        self.preview = 0
        self.wanted = "go"

    def tell(self, **event: Any) -> None:
        body = msgpack.packb(event)
        with self.lock:
            self.events.write(struct.pack(">I", len(body)) + body)
            self.events.flush()

    def listen(self) -> None:
        while True:
            head = sys.stdin.buffer.read(4)
            if len(head) < 4:
                os._exit(0)
            command = msgpack.unpackb(sys.stdin.buffer.read(struct.unpack(">I", head)[0]))
            with self.arrived:
                if command["do"] == "preview":
                    self.preview = command["side"]
                elif command["do"] in ("cancel", "finish"):
                    self.wanted = command["do"]
                else:
                    self.wanted, self.preview = "go", 0
                    self.commands.append(command)
                self.arrived.notify()

    def run(self) -> None:
        threading.Thread(target=self.listen, daemon=True).start()
        self.tell(event="ready", device=self.device, devices=[self.device], memory=0)
        while True:
            with self.arrived:
                while not self.commands:
                    self.arrived.wait()
                command = self.commands.pop(0)
            self.paint(command)

    def first_time(self, job: str) -> bool:
        mark = Path(f"fake-{job}")
        if mark.exists():
            return False
        mark.touch()
        return True

    def paint(self, command: dict[str, Any]) -> None:
        job, recipe, does = command["job"], command["recipe"], command["recipe"]["seed"]
        steps = 1_000_000 if does in (ENDLESS, DEAF) else recipe["steps"] or 3
        content = recipe["content"]
        pixels = Path(command["files"][content["blob"]]).read_bytes()
        number = 0
        self.tell(event="progress", job=job, progress={"phase": "loading"})
        for step in range(1, steps + 1):
            if self.wanted == "cancel" and does != DEAF:
                self.fail(job, "cancelled", "The job was cancelled.")
                return
            if self.wanted == "finish":
                break
            if step == 2:
                if does == DIES or (does == DIES_ONCE and self.first_time(job)):
                    os.kill(os.getpid(), 9)
                if does == STUCK or (does == STUCK_ONCE and self.first_time(job)):
                    time.sleep(3600)
                if does == OOM or (does == OOM_ONCE and command["plan_step"] == 0):
                    self.fail(job, "out_of_memory", "The device ran out of memory.", out_of_memory=True)
                    return
                if does == DIVERGES:
                    self.fail(job, "diverged", "The loss became NaN at step 2.")
                    return
                if does == DISK_FULL:
                    self.fail(job, "disk_full", "The disk is full.")
                    return
                if does == NONSENSE:
                    self.events.write(b"\0\0\0\x02\xc1\xc1")
                    self.events.flush()
                    time.sleep(3600)
            time.sleep(STEP_S)
            assert Path(command["out"]).is_dir(), "the folder was taken away while the job ran"
            progress = {"phase": "painting", "scale": 1, "scales": 1, "step": step, "steps": steps, "loss": 1.0 / step}
            event: dict[str, Any] = {"event": "progress", "job": job, "progress": progress}
            if self.preview:
                number += 1
                event |= {"preview": bytes(3 * self.preview), "width": self.preview, "height": 1, "number": number}
            self.tell(**event)
        # the "painting" is the content's negative, so that a test can tell whose picture it got
        painted = bytes(255 - byte for byte in pixels)
        blob = hashlib.sha256(painted).hexdigest()
        (Path(command["out"]) / blob).write_bytes(painted)
        image = {**content, "blob": blob}
        self.tell(
            event="done",
            job=job,
            result={
                "image": image,
                "canvas": image,
                "recipe": recipe,
                "model": recipe["model"],
                "device": self.device,
                "steps_done": step,
                "stopped": "finish" if self.wanted == "finish" else "steps",
                "precision": "fp32",
                "plan": "none",
                "painted": [content["width"], content["height"]],
                "delivered": [content["width"], content["height"]],
                "losses": None,
                "seconds": {},
                "clipped": False,
                "degraded": None,
                "cached": {},
                "versions": {},
            },
        )

    def fail(self, job: str, code: str, message: str, *, out_of_memory: bool = False) -> None:
        error = {"code": code, "message": message, "retryable": False}
        self.tell(event="failed", job=job, error=error, out_of_memory=out_of_memory)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--start", default="well", choices=("well", "never", "die"))
    options = parser.parse_args()
    if options.start == "die":
        sys.exit("The fake worker was told to die.")
    if options.start == "never":
        time.sleep(3600)
    FakeWorker("cpu" if options.device == "auto" else options.device).run()


if __name__ == "__main__":
    main()
