"""Turns a VGG19 weights file of any origin into the one that is kept: features up to relu5_1, safetensors.

`python -m vaporbrush_daemon.engine.convert SOURCE TARGET` prints one JSON object with `code` and `message` if it fails.
Nothing in the source is executed: PyTorch files are read with `weights_only`, which knows tensors and containers.
What has to be in the file is torchvision's word. Here, in a process that runs once, its import may take a second;
workers read `vgg19` instead, which says why.
"""

from __future__ import annotations

import json
import pickle
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torchvision.models import vgg19

from vaporbrush_daemon import children, machine
from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.private import make_folder

from .vgg19 import CONVS

MAX_BYTES = 4 * 1024**3  # of memory that reading may take: the file's tensors and a copy of those that are kept
MAX_FILE_BYTES = 2 * 1024**3  # the full VGG19 has 575 MB


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """torchvision's names and the shapes of what is kept: 13 convolutions, 12.9 million numbers."""
    last = max(conv.index for conv in CONVS.values())
    with torch.device("meta"):  # shapes only: no memory, no numbers
        features = vgg19(weights=None, init_weights=False).features[: last + 1]
    for name, tensor in features.state_dict().items():
        yield f"features.{name}", tuple(tensor.shape)


def convert(source: Path, target: Path) -> None:
    """Read, check and write. Raises `VaporbrushError` (`weights_corrupt`); `target` is written whole or not at all."""
    found = _load(source)
    chosen: dict[str, torch.Tensor] = {}
    for name, shape in shapes():
        tensor = found.get(name)
        if not isinstance(tensor, torch.Tensor):
            raise _corrupt(source, f"it has no `{name}`, so it is not torchvision's VGG19")
        if tuple(tensor.shape) != shape or not tensor.is_floating_point():
            raise _corrupt(source, f"`{name}` is {tuple(tensor.shape)} of {tensor.dtype}, but VGG19 has {shape}")
        if not bool(tensor.isfinite().all()):
            raise _corrupt(source, f"`{name}` holds numbers that are not finite")
        # a tensor of a full file is a view into one large storage; fp16 stays fp16
        chosen[name] = tensor.to(torch.float32 if tensor.dtype == torch.float64 else tensor.dtype).clone().contiguous()
    make_folder(target.parent)
    data = save(chosen, metadata={"model": "vgg19", "source": source.name.removesuffix(".part")})
    atomic.write(target, data, mode=0o600, durable=True)  # the download that it came from is deleted next


def _load(source: Path) -> dict[str, Any]:
    if not source.is_file():
        raise _corrupt(source, "it does not exist or is not an ordinary file")
    if source.stat().st_size > MAX_FILE_BYTES:
        raise _corrupt(source, f"it is larger than {MAX_FILE_BYTES // 2**30} GiB")
    with source.open("rb") as file:
        head = file.read(9)
    machine.check_memory(f"{source}, unpacked,", _unpacked_bytes(source))
    try:
        if head[8:] == b"{":  # 8 bytes of length, then the JSON header
            return dict(load_file(source))
        found = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported" in str(error) or "GLOBAL" in str(error):
            raise _corrupt(source, "it holds code besides tensors, which is never executed here") from None
        raise _corrupt(source, "it is neither a PyTorch nor a safetensors file") from None
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise _corrupt(
            source, f"it is damaged ({str(error).splitlines()[0][:160] if str(error) else 'empty'})"
        ) from None
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict):
        raise _corrupt(source, f"it holds a {type(found).__name__} instead of named tensors")
    return found


def _unpacked_bytes(source: Path) -> int:
    """What reading it takes, as far as its directory tells: a PyTorch file is a zip archive, whose parts may be packed.
    Raises `weights_corrupt` where that is more than any VGG19 has.
    """
    size = source.stat().st_size
    if zipfile.is_zipfile(source):
        with suppress(zipfile.BadZipFile, OSError, ValueError), zipfile.ZipFile(source) as archive:
            # a damaged directory: whoever reads it says so
            size = sum(part.file_size for part in archive.infolist())
    if size > MAX_FILE_BYTES:
        raise _corrupt(source, f"unpacked it would have {size / 1e9:.1f} GB, and VGG19 has 0.6")
    return size


def _corrupt(source: Path, problem: str) -> VaporbrushError:
    return VaporbrushError("weights_corrupt", f"{source} cannot be used as VGG19's weights: {problem}.")


def main() -> int:
    """The process: source and target as arguments."""
    children.end_with_parent()
    children.limit_memory(MAX_BYTES)
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except VaporbrushError as error:
        print(json.dumps({"code": error.code, "message": error.message}))
        return 1
    except MemoryError:
        print(json.dumps({"code": "out_of_memory", "message": f"{sys.argv[1]} needs more memory than VGG19 does."}))
        return 1
    except OSError as error:
        message = f"{sys.argv[2]} cannot be written: {error.strerror or error}."
        print(json.dumps({"code": "disk_full", "message": message}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
