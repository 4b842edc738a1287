"""What a disk may look like after a power cut: a recorder of every call that changes files, and the states that a cut
after any of them may leave.

What was not synced may be lost, come half, as zeros or as garbage; names that were not synced may be lost in any order
in which none needs another. A rename is one step, as on every file system with a journal.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vaporbrush_protocol.atomic import System
from vaporbrush_protocol.codec import Buffer


@dataclass(frozen=True)
class Step:
    """One call: `file` is the file's number, names are paths."""

    kind: Literal["create", "write", "sync", "rename", "link", "unlink", "sync_folder"]
    file: int = 0
    path: Path = Path()
    target: Path = Path()
    data: bytes = b""

    @property
    def names(self) -> set[Path]:
        """The paths whose meaning this changes."""
        return {
            "create": {self.path},
            "unlink": {self.path},
            "rename": {self.path, self.target},
            "link": {self.path, self.target},
        }.get(self.kind, set())


class Recorder(System):
    """Does everything, and writes it down. `steps` is what a cut is made in."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._files: dict[int, int] = {}  # by descriptor
        self._named: dict[Path, int] = {}
        self._count = 0

    def create(self, path: Path, mode: int) -> int:
        descriptor = super().create(path, mode)
        self._count += 1
        self._files[descriptor] = self._named[path] = self._count
        self.steps.append(Step("create", self._count, path))
        return descriptor

    def extend(self, path: Path) -> int:
        descriptor = super().extend(path)
        self._files[descriptor] = self._named[path]
        return descriptor

    def write(self, descriptor: int, data: Buffer) -> None:
        super().write(descriptor, data)
        self.steps.append(Step("write", self._files[descriptor], data=bytes(data)))

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self.steps.append(Step("sync", self._files[descriptor]))

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        self.steps.append(Step("sync_folder", path=folder))

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._named[target] = self._named.pop(source, 0)
        self.steps.append(Step("rename", path=source, target=target))

    def link(self, source: Path, target: Path) -> None:
        super().link(source, target)
        self._named[target] = self._named.get(source, 0)
        self.steps.append(Step("link", path=source, target=target))

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self.steps.append(Step("unlink", path=path))


@dataclass
class Disk:
    """What is safe, and what is under way."""

    data: dict[int, bytearray] = field(default_factory=dict)
    synced: dict[int, int] = field(default_factory=dict)  # bytes of each file
    names: dict[Path, int] = field(default_factory=dict)
    pending: list[Step] = field(default_factory=list)  # changes of names, in their order

    def do(self, step: Step) -> None:
        """One step further."""
        match step.kind:
            case "create":
                self.data[step.file], self.synced[step.file] = bytearray(), 0
                self.pending.append(step)
            case "write":
                self.data[step.file] += step.data
            case "sync":
                self.synced[step.file] = len(self.data[step.file])
            case "sync_folder":
                wanted = {i for i, s in enumerate(self.pending) if any(n.parent == step.path for n in s.names)}
                self._settle(self._with_what_they_need(wanted))
            case _:
                self.pending.append(step)

    def after_a_cut(self, chance: random.Random, how: Literal["least", "most", "zeros", "random"]) -> dict[Path, bytes]:
        """The files that are found when the power is back."""
        disk = Disk({k: bytearray(v) for k, v in self.data.items()}, self.synced, dict(self.names), list(self.pending))
        if how != "least":
            kept = {i for i in range(len(disk.pending)) if how != "random" or chance.random() < 0.5}
            disk._settle(disk._with_what_they_need(kept))
        return {path: disk._content(file, chance, how) for path, file in disk.names.items()}

    def _content(self, file: int, chance: random.Random, how: str) -> bytes:
        data, safe = bytes(self.data[file]), self.synced[file]
        if how == "random":
            how = chance.choice(["least", "most", "zeros", "half", "garbage"])
        end = {"half": chance.randint(safe, len(data)), "least": safe}.get(how, len(data))
        if how == "zeros":
            return data[:safe].ljust(end, b"\0")
        if how == "garbage":
            return data[:safe] + chance.randbytes(end - safe)
        return data[:end]

    def _with_what_they_need(self, wanted: set[int]) -> set[int]:
        needed = set(wanted)
        for index in range(len(self.pending) - 1, -1, -1):
            if any(self.pending[index].names & self.pending[later].names for later in needed if later > index):
                needed.add(index)
        return needed

    def _settle(self, chosen: set[int]) -> None:
        for index in sorted(chosen):
            step = self.pending[index]
            if step.kind == "create":
                self.names[step.path] = step.file
            elif step.kind == "unlink":
                self.names.pop(step.path, None)
            elif step.kind == "link" and step.path in self.names:
                self.names[step.target] = self.names[step.path]
            elif step.path in self.names:
                self.names[step.target] = self.names.pop(step.path)
        self.pending = [step for index, step in enumerate(self.pending) if index not in chosen]
