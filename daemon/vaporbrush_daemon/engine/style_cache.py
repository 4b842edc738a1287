"""Style targets seen before: in memory, and on disk across the lives of a worker."""

from __future__ import annotations

import hashlib
import sys
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from vaporbrush_daemon.plan import GRID, Plan, Scale
from vaporbrush_protocol import atomic
from vaporbrush_protocol.recipe import STYLE_TAPS

from .brushwork import Bank, style_bank
from .gamut import nearest_colours
from .grams import Grams, style_statistics
from .inputs import Inputs
from .monitor import Monitor
from .network import Network

T = TypeVar("T")

IN_MEMORY = 32  # targets; 2.5 MB each
ON_DISK = 256  # targets; the ones not used for longest go
BANK_BYTES = 256 * 2**20  # of hypercolumns in memory: a style of 512 pixels has 70 MB at all scales
VERSION = 1  # of how targets are computed: a change here makes all old ones unknown


class StyleCache:
    """Gram matrices by a key that names everything that they depend on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recent: OrderedDict[str, Grams] = OrderedDict()
        self.banks: OrderedDict[str, Bank] = OrderedDict()  # too large for the disk, and soon computed
        self.tables: OrderedDict[str, Tensor] = OrderedDict()  # of colours; soon computed

    @staticmethod
    def key(*about: object) -> str:
        """Names what the targets were computed from."""
        return hashlib.sha256(repr((VERSION, *about)).encode()).hexdigest()

    def get(self, key: str, device: torch.device) -> Grams | None:
        """The targets, or None if they are not known (or their file is damaged: they are then computed again)."""
        found = self.recent.get(key)
        if found is None:
            try:
                file = self.folder / f"{key}.safetensors"
                found = load_file(file, device=str(device))
                file.touch()
            except (OSError, SafetensorError):  # as above
                return None
            if set(found) != set(STYLE_TAPS):
                return None
        self._remember(key, found)
        return found

    def put(self, key: str, grams: Grams) -> None:
        """Keep targets. A disk that is full costs the next job a second, not this one its result."""
        self._remember(key, grams)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            data = save({tap: gram.cpu().contiguous() for tap, gram in grams.items()})
            atomic.write(self.folder / f"{key}.safetensors", data)
            files = sorted(self.folder.glob("*.safetensors"), key=lambda file: file.stat().st_mtime)
            for old in files[:-ON_DISK]:
                old.unlink(missing_ok=True)
        except (OSError, SafetensorError) as error:
            sys.stderr.write(f"style targets not kept: {error}\n")

    def keep(self, key: str, bank: Bank) -> None:
        """Keep a style's hypercolumns while this process lives, as long as they are the most recent."""
        self.banks[key] = bank
        while len(self.banks) > 1 and sum(each.size_bytes for each in self.banks.values()) > BANK_BYTES:
            self.banks.popitem(last=False)

    def keep_table(self, key: str, table: Tensor) -> None:
        """Keep the table of some styles' colours while this process lives, as long as it is among the most recent."""
        self.tables[key] = table
        while len(self.tables) > IN_MEMORY:
            self.tables.popitem(last=False)

    def _remember(self, key: str, grams: Grams) -> None:
        self.recent[key] = grams
        self.recent.move_to_end(key)
        while len(self.recent) > IN_MEMORY:
            self.recent.popitem(last=False)


class StyleTargets:
    """The Gram matrices that one painting aims at, computed only if they never were."""

    def __init__(
        self, cache: StyleCache, inputs: Inputs, network: Network, model: tuple[str, int, int], monitor: Monitor
    ) -> None:
        """`model` names the network's weights, see `Models.identity`."""
        self.cache, self.inputs, self.network, self.monitor = cache, inputs, network, monitor
        self.model = (*model, str(network.dtype), inputs.recipe.pool)
        self.all_cached = True  # so far

    def grams(self, scale: Scale, plan: Plan) -> list[Grams]:
        """The Gram matrices of each style at a scale."""
        return [self._target(number, scale, plan) for number in range(len(self.inputs.recipe.styles))]

    def colours(self, numbers: tuple[int, ...]) -> Tensor:
        """The table of the colours that these styles have together, see `gamut.nearest_colours`."""
        key = StyleCache.key("colours", *map(self.inputs.style_digest, numbers))
        if key not in self.cache.tables:
            table = nearest_colours([self.inputs.style_sketched(number) for number in numbers])
            self.cache.keep_table(key, table)
        return self.cache.tables[key]

    def banks(self, scale: Scale, plan: Plan) -> list[Bank]:
        """The hypercolumns of each style at a scale."""
        return [self._bank(number, scale, plan) for number in range(len(self.inputs.recipe.styles))]

    def _bank(self, number: int, scale: Scale, plan: Plan) -> Bank:
        self.monitor.check()
        size = self.inputs.style_size(number, scale)
        key = StyleCache.key("bank", self.inputs.style_digest(number), size, self.model, self.inputs.recipe.turns)
        found = self.cache.banks.get(key)
        if found is None:
            quarters = 4 if self.inputs.recipe.turns else 1
            found = self._measured(partial(style_bank, quarters=quarters), number, size, self._tile(scale, plan))
            self.cache.keep(key, found)
        return found

    @staticmethod
    def _tile(scale: Scale, plan: Plan) -> int:
        """A style may be larger than the painting: no more of it at once."""
        return plan.tile or -(-max(scale.width, scale.height) // GRID) * GRID

    def _target(self, number: int, scale: Scale, plan: Plan) -> Grams:
        self.monitor.check()
        size = self.inputs.style_size(number, scale)
        key = StyleCache.key(self.inputs.style_digest(number), size, self.model)
        found = self.cache.get(key, self.network.device)
        if found is None:
            found = self._measured(style_statistics, number, size, self._tile(scale, plan))
            self.cache.put(key, found)
        return found

    def _measured(self, measure: Callable[..., T], number: int, size: tuple[int, int], tile: int) -> T:
        """What the network sees of a style that was not known yet."""
        self.all_cached = False
        style, alpha = self.inputs.style(number, size)
        return measure(self.network, style, alpha, pool=self.inputs.recipe.pool, tile=tile, alive=self.monitor.check)
