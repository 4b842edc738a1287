"""A Dask worker at the moment when it calls its preloads: what these may look at, and no network."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace


class DaskWorker:
    """One of several of a launcher's, with a folder of its own in the one that all were given."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.address = name, "tls://127.0.0.1:40000"
        self.local_directory = str(folder / f"worker-{name}")
        self.http_server = SimpleNamespace(stop=lambda: None)
        self.state = SimpleNamespace(total_resources={}, available_resources={})
        Path(self.local_directory).mkdir(parents=True)

    async def close(self, reason: str) -> None:
        """Nobody refuses it here."""
        raise AssertionError(reason)
