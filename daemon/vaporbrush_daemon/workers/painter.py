"""The process that owns a device: `python -m vaporbrush_daemon.workers.painter --device cpu`. It paints what the front
sends it, and tells how it goes (`messages`).
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import mmap
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from vaporbrush_daemon import machine, weights
from vaporbrush_daemon.plan import read_speed, times_faster
from vaporbrush_protocol import atomic
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.errors import RemoteError, VaporbrushError
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Image, Recipe
from vaporbrush_protocol.result import Result
from vaporbrush_protocol.version import __version__

from .messages import Alive, DeviceFacts, Done, Failed, Paint, Preview, Progressed, Ready
from .pipe import WorkerPipe

if TYPE_CHECKING:
    from vaporbrush_daemon.engine.inputs import Pictures
    from vaporbrush_daemon.engine.painter import Painter, Painting

MAX_SENTENCE = 500  # characters of what went wrong
PREVIEW_S = 0.25  # previews cost a copy from the device; four a second look alive
EXIT_POISONED = 70  # EX_SOFTWARE: after some errors of a device only a new process helps


class JobControl:
    """What the painter asks between two steps, and tells after one."""

    def __init__(self, pipe: WorkerPipe, job: str) -> None:
        self._pipe, self._job = pipe, job
        self._shown = 0.0

    def wanted(self) -> Literal["go", "cancel", "finish"]:
        """Whether to go on."""
        self._pipe.alive()
        return self._pipe.wanted

    def report(self, progress: Progress, image: Callable[[int], tuple[bytes, int, int]] | None = None) -> None:
        """Tell the front, with a preview where one is asked for."""
        preview, side, now = None, self._pipe.preview, time.monotonic()
        if side and image is not None and now >= self._shown + PREVIEW_S:
            pixels, width, height = image(side)
            if pixels:
                self._shown = now
                preview = Preview(width, height, pixels)
        self._pipe.tell(Progressed(self._job, progress, preview))


class Worker:
    """One device and its painter."""

    def __init__(self, pipe: WorkerPipe, device: str) -> None:
        from vaporbrush_daemon.engine.painter import Painter

        self._pipe, self._device = pipe, device
        self._files = {one.model: one.path for one in weights.known()}
        self._painter: Painter = Painter(device, self._files, home() / "cache", time.monotonic)
        self._painted = 0

    def do(self, task: Paint) -> None:
        """One painting. Whatever goes wrong with it is told; only what poisons the process ends it."""
        from vaporbrush_daemon.engine import device

        job = task.job
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
            self._pipe.tell(Done(job, result))
        device.give_back(self._device)  # here, because an exception's traceback holds on to tensors

    def _fail(self, job: str, error: VaporbrushError) -> None:
        self._pipe.tell(Failed(job, RemoteError(error.code, error.message[:MAX_SENTENCE])))

    def _paint(self, task: Paint) -> Result:
        from vaporbrush_daemon.engine import device
        from vaporbrush_daemon.images import pixels

        began = time.monotonic()
        recipe = task.recipe
        files = {blob: Path(path) for blob, path in task.files.items()}
        control = JobControl(self._pipe, task.job)
        control.report(Progress("loading"))
        pictures, clipped = _pictures(recipe, files)
        read_s = time.monotonic() - began
        memory = device.free_bytes(self._device)
        painting: Painting = self._painter.paint(recipe, pictures, control, plan_step=task.plan_step, memory=memory)
        wrote = time.monotonic()
        out = Path(task.out)
        with _mapped(files[recipe.content.blob]) as original:
            delivered = pixels.encode(painting.pixels, recipe.content, original, painting.untouched)
        image = _write(out, delivered, recipe.content)
        facts = painting.facts
        height, width = painting.canvas.shape[:2]
        form = Image("", width, height, "RGB", "f32")
        canvas = _write(out, painting.canvas.astype("<f4").tobytes(), form)
        worker_warm, self._painted = self._painted > 0, self._painted + 1
        return Result(
            image=image,
            canvas=canvas,
            recipe=replace(recipe, size=max(facts["painted"]), device=self._device),
            model=facts["model"],
            device=facts["device"],
            precision=facts["precision"],
            plan=facts["plan"],
            steps_done=facts["steps_done"],
            stopped=facts["stopped"],
            painted=facts["painted"],
            delivered=facts["delivered"],
            losses=None if facts["losses"] is None else cast("dict[str, float]", facts["losses"]),
            seconds={"reading": read_s, **facts["seconds"], "writing": time.monotonic() - wrote},
            clipped=clipped,
            cached={"style_targets": facts["style_targets_cached"], "worker_warm": worker_warm},
            versions={"vaporbrush": __version__, "torch": _torch_version(), "python": platform.python_version()},
        )


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
        held=[(read(one.content)[0], read(one.canvas)[0][..., :3]) for one in recipe.held],
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


def main() -> int:
    """Listen before torch is imported, which takes seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    device: str = parser.parse_args().device
    pipe = WorkerPipe.of_this_process()
    if device == "cpu":
        machine.lower_priority()
    from vaporbrush_daemon.engine import device as devices

    known = devices.found()
    found = [one.name for one in known]
    if device == "auto":
        device = found[0]
        if device == "cpu":
            machine.lower_priority()
    if device not in found:
        sys.stderr.write(f"The device {device} does not exist here; there is {', '.join(found)}.\n")
        return 1
    devices.make_current(device)
    worker = Worker(pipe, device)
    # only of its own: to look at another's would take some hundred megabytes there
    models = tuple(one.model for one in weights.known() if one.present)
    facts = (
        DeviceFacts(
            one.name, one.title, one.total_bytes, _free(device) if one.name == device else 0, _speed(one.name), models
        )
        for one in known
    )
    pipe.tell(Ready(device, tuple(facts)))
    while True:
        worker.do(pipe.next_painting())
        pipe.tell(Alive(_free(device), _speed(device)))


def _free(device: str) -> int:
    from vaporbrush_daemon.engine import device as devices

    return devices.free_bytes(device)


def _speed(device: str) -> float:
    """As paintings have shown it here: seconds that a step over a million pixels takes with vgg19; 0: none has yet."""
    for one in weights.known():
        speed = read_speed(home() / "cache", device, one.model)
        if speed.measured:
            return speed.alone.per_megapixel * times_faster(one.model)
    return 0.0


if __name__ == "__main__":
    sys.exit(main())
