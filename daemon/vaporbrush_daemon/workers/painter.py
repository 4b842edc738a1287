"""The process that owns a device: `python -m vaporbrush_daemon.workers.painter --device cpu`. It paints what the front
sends it.

Commands come on stdin and events leave on stdout, as 4 bytes of length and a msgpack map. When stdin ends, the front is
gone, and this process ends at once, whatever it is at: nothing may keep a dead daemon's memory on the device.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import hashlib
import mmap
import os
import platform
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import msgpack

from vaporbrush_daemon import machine, weights
from vaporbrush_protocol import atomic
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.errors import RemoteError, VaporbrushError
from vaporbrush_protocol.limits import PREVIEW_SIDE
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Image, Recipe
from vaporbrush_protocol.version import __version__

from .pool import LENGTH, frames

if TYPE_CHECKING:
    from vaporbrush_daemon.engine.inputs import Pictures
    from vaporbrush_daemon.engine.painter import Painter, Painting

ALIVE_S = 1.0  # a sign of life at least so often, as long as the step loop turns
PREVIEW_S = 0.25  # previews cost a copy from the device; four a second look alive
EXIT_POISONED = 70  # EX_SOFTWARE: after some errors of a device only a new process helps


class WorkerPipe:
    """The two pipes to the front."""

    def __init__(self, commands: IO[bytes], events: IO[bytes]) -> None:
        self._commands, self._events = commands, events
        self._lock = threading.Lock()
        self._arrived = threading.Condition()
        self._tasks: list[dict[str, Any]] = []
        self.wanted: Literal["go", "cancel", "finish"] = "go"
        self.preview = 0
        self.told = 0.0  # when something was last said

    def tell(self, event: str, **fields: Any) -> None:
        """Send an event."""
        body: bytes = msgpack.packb({"event": event, **fields})
        with self._lock:
            self._events.write(LENGTH.pack(len(body)) + body)
            self._events.flush()
            self.told = time.monotonic()

    def alive(self) -> None:
        """Say so, but not more often than needed."""
        if time.monotonic() - self.told >= ALIVE_S:
            self.tell("alive")

    def listen(self) -> None:
        """Thread: what concerns the present job takes effect at once, the rest queues."""
        for body in frames(self._commands):
            command = msgpack.unpackb(body)
            with self._arrived:
                match command["do"]:
                    case "cancel" | "finish" as wanted:
                        self.wanted = wanted
                    case "preview":
                        self.preview = min(command["side"], PREVIEW_SIDE)
                    case _:
                        # Reset here and not when the job begins: a cancel may already be in the pipe behind it.
                        self.wanted, self.preview = "go", 0
                        self._tasks.append(command)
                        self._arrived.notify()
        os._exit(0)

    def next_task(self) -> dict[str, Any]:
        """Wait for something to do."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._tasks)
            return self._tasks.pop(0)


class JobControl:
    """What the painter asks between two steps, and tells after one."""

    def __init__(self, line: WorkerPipe, job: str) -> None:
        self._line, self._job = line, job
        self._shown = 0.0

    def wanted(self) -> Literal["go", "cancel", "finish"]:
        """Whether to go on."""
        self._line.alive()
        return self._line.wanted

    def report(self, progress: Progress, image: Callable[[int], tuple[bytes, int, int]] | None = None) -> None:
        """Tell the front, with a preview where one is asked for."""
        fields: dict[str, Any] = {"job": self._job, "progress": progress.to_wire()}
        side, now = self._line.preview, time.monotonic()
        if side and image is not None and now >= self._shown + PREVIEW_S:
            pixels, width, height = image(side)
            if pixels:
                self._shown = now
                fields |= {"preview": pixels, "width": width, "height": height}
        self._line.tell("progress", **fields)


class Worker:
    """One device and its painter."""

    def __init__(self, line: WorkerPipe, device: str) -> None:
        from vaporbrush_daemon.engine.painter import Painter

        self._line, self._device = line, device
        self._files = {one.model: one.path for one in weights.known()}
        self._painter: Painter = Painter(device, self._files, home() / "cache", time.monotonic)
        self._painted = 0

    def do(self, task: Mapping[str, Any]) -> None:
        """One command. Whatever goes wrong with a job is told; only what poisons the process ends it."""
        from vaporbrush_daemon.engine import device

        if task["do"] != "paint":
            return
        job = task["job"]
        try:
            result = self._paint(task)
        except VaporbrushError as error:
            self._fail(job, error)
            if error.code == "out_of_memory":
                traceback.print_exc()
        except MemoryError:
            self._fail(job, RemoteError("out_of_memory", "The machine's memory does not suffice for this painting."))
        except Exception as error:  # noqa: BLE001 -- told to the client, and to the log with its traceback
            traceback.print_exc()
            if device.is_sticky(error):
                os._exit(EXIT_POISONED)  # the front starts another process
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
                self._fail(job, RemoteError("disk_full", f"The painting could not be saved: {error.strerror}."))
            else:
                self._fail(job, RemoteError("internal", f"The painter failed: {type(error).__name__}: {error}"[:500]))
        else:
            self._line.tell("done", job=job, result=result)
        device.give_back(self._device)  # here, because an exception's traceback holds on to tensors

    def _fail(self, job: str, error: VaporbrushError) -> None:
        self._line.tell("failed", job=job, error=error.to_wire(), out_of_memory=error.code == "out_of_memory")

    def _paint(self, task: Mapping[str, Any]) -> dict[str, Any]:
        from vaporbrush_daemon.engine import device
        from vaporbrush_daemon.images import pixels

        began = time.monotonic()
        recipe = Recipe.from_wire(task["recipe"])
        files = {blob: Path(path) for blob, path in task["files"].items()}
        control = JobControl(self._line, task["job"])
        control.report(Progress("loading"))
        pictures, clipped = _pictures(recipe, files)
        read_s = time.monotonic() - began
        memory = device.free_bytes(self._device)
        painting: Painting = self._painter.paint(recipe, pictures, control, plan_step=task["plan_step"], memory=memory)
        wrote = time.monotonic()
        out = Path(task["out"])
        with _mapped(files[recipe.content.blob]) as original:
            delivered = pixels.encode(painting.pixels, recipe.content, original, painting.untouched)
        image = _write(out, delivered, recipe.content)
        facts: dict[str, Any] = dict(painting.facts)
        height, width = painting.canvas.shape[:2]
        form = Image("", width, height, "RGB", "f32")
        canvas = _write(out, painting.canvas.astype("<f4").tobytes(), form)
        seconds = {"reading": read_s, **facts.pop("seconds"), "writing": time.monotonic() - wrote}
        cached = {"style_targets": facts.pop("style_targets_cached"), "worker_warm": self._painted > 0}
        self._painted += 1
        return {
            **facts,
            "image": image.to_wire(),
            "canvas": canvas.to_wire(),
            "recipe": replace(recipe, size=max(facts["painted"]), device=self._device).to_wire(),
            "seconds": seconds,
            "clipped": clipped,
            "degraded": None,
            "cached": cached,
            "versions": {"vaporbrush": __version__, "torch": _torch_version(), "python": platform.python_version()},
        }


def _pictures(recipe: Recipe, files: Mapping[str, Path]) -> tuple[Pictures, bool]:
    """The recipe's pictures as arrays, and whether the content had values outside 0 to 1."""
    from vaporbrush_daemon.engine.inputs import Pictures
    from vaporbrush_daemon.images import pixels

    def read(image: Image) -> Any:
        with _mapped(files[image.blob]) as data:
            return pixels.decode(data, image)

    def read_mask(image: Image | None) -> Any:
        if image is None:
            return None
        with _mapped(files[image.blob]) as data:
            return pixels.decode_mask(data, image)

    content, clipped = read(recipe.content)
    pictures = Pictures(
        content=content,
        styles=[read(style.image)[0] for style in recipe.styles if style.image is not None],
        mask=read_mask(recipe.mask),
        style_masks=[read_mask(style.mask) for style in recipe.styles],
        start=None if recipe.start_image is None else read(recipe.start_image)[0][..., :3],
    )
    return pictures, clipped


class _mapped:  # noqa: N801 -- reads as a function
    """A blob's bytes without reading them twice: `with _mapped(path) as data`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def __enter__(self) -> memoryview:
        return memoryview(self._map)

    def __exit__(self, *_: object) -> None:
        with suppress(BufferError):  # an array still looks at it; the map goes with the array
            self._map.close()
        self._file.close()


def _write(folder: Path, data: bytes, form: Image) -> Image:
    """Keep bytes under their hash, whole or not at all."""
    blob = hashlib.sha256(data).hexdigest()
    atomic.write(folder / blob, data, mode=0o600, durable=True)
    return Image(blob, form.width, form.height, form.channels, form.depth, form.transfer)


def _torch_version() -> str:
    import torch

    return str(torch.__version__)


def _die_with_the_front() -> None:
    """Linux ends us with the front even while this process is stopped; everywhere the end of stdin does."""
    if sys.platform == "linux":
        set_parent_death_signal, kill = 1, 9
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(set_parent_death_signal, kill)


def main() -> int:
    """Open the line before torch is imported, which takes seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    device: str = parser.parse_args().device
    _die_with_the_front()
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not look like an event
    line = WorkerPipe(os.fdopen(os.dup(0), "rb", buffering=0), events)
    threading.Thread(target=line.listen, name="front", daemon=True).start()
    if device == "cpu":
        machine.lower_priority()
    from vaporbrush_daemon.engine import device as devices

    found = [one.name for one in devices.found()]
    if device == "auto":
        device = found[0]
        if device == "cpu":
            machine.lower_priority()
    if device not in found:
        sys.stderr.write(f"The device {device} does not exist here; there is {', '.join(found)}.\n")
        return 1
    worker = Worker(line, device)
    line.tell("ready", device=device, devices=found, memory=devices.own_bytes(device))
    while True:
        worker.do(line.next_task())


if __name__ == "__main__":
    sys.exit(main())
