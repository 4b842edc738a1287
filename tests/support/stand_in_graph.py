"""A graph without a GPU: it records which operators a work calls on which memory, and a replay calls them again.

As with a real one, a replay runs no Python: what a number was when it was recorded, it stays. Results land where those
of the recording did. What a real recording refuses is refused here: a value that is read back, a result whose size
depends on values, a tensor that comes from the host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

READS = {"_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "masked_select", "unique_consecutive"}
HOST = {"lift_fresh", "lift"}  # a Python number or list that becomes a tensor: it would be sent at each replay

Work = Callable[[], None]


class _Recording(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self.before: dict[int, tuple[UntypedStorage, UntypedStorage]] = {}  # of what is written to: it, and its copy

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in READS or name in HOST:
            raise RuntimeError(f"operation not permitted when stream is capturing: {name}")
        kwargs = kwargs or {}
        self._keep_what_is_written(func, args, kwargs)
        made = func(*args, **kwargs)
        returns = func._schema.returns
        if any(one.alias_info is not None and not one.alias_info.is_write for one in returns):
            return made  # a view: it shows what its base holds
        # in place: it writes where it did
        fresh = [] if any(one.alias_info is not None for one in returns) else _tensors(made)
        self.calls.append((func, args, kwargs, fresh))
        return made

    def _keep_what_is_written(self, func: Any, args: Any, kwargs: Any) -> None:
        for number, one in enumerate(func._schema.arguments):
            given = args[number] if number < len(args) else kwargs.get(one.name)
            if one.alias_info is not None and one.alias_info.is_write and isinstance(given, Tensor):
                storage = given.untyped_storage()
                if storage.data_ptr() not in self.before:
                    self.before[storage.data_ptr()] = storage, storage.clone()

    def undo(self) -> None:
        """Put back what was written to."""
        for storage, copy in self.before.values():
            storage.copy_(copy)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_flatten(tree)[0] if isinstance(leaf, Tensor)]


class StandInRecorder:
    """See above. `broken`: nothing can be recorded, for this reason."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.prepared = self.recorded = self.replayed = 0
        self.calls = 0  # operators in the last recording

    def prepare(self, work: Work) -> None:
        self.prepared += 1
        work()

    def record(self, work: Work) -> Work:
        """The work is done while it is recorded, which a real graph does not: so what it changes is put back."""
        if self.broken:
            raise RuntimeError(self.broken)
        with _Recording() as recording:
            work()
        calls = recording.calls
        self.recorded, self.calls = self.recorded + 1, len(calls)
        recording.undo()

        def replay() -> None:
            self.replayed += 1
            with torch.no_grad():
                for func, args, kwargs, fresh in calls:
                    made = func(*args, **kwargs)
                    for place, now in zip(fresh, _tensors(made) if fresh else [], strict=True):
                        if place.shape != now.shape:
                            raise RuntimeError(f"{func} gave {tuple(now.shape)}, recorded was {tuple(place.shape)}")
                        place.copy_(now)

        return replay
