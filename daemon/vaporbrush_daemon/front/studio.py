"""The bridge to the studio, as `studio.json` wants it: whoever opens or closes a studio need not restart the daemon.
Where the setting `studio_scheduler` names a Dask scheduler, the bridge to that is always wanted.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from vaporbrush_daemon import logs
from vaporbrush_daemon.config import Config
from vaporbrush_daemon.studio import members
from vaporbrush_daemon.workers.pool import Pool, StudioMoved, StudioTrouble
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.shown import short

Fields = dict[str, Any]  # of a reply's header
PAUSES_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # before it is started again, longer each time
FAILURES = 8  # the last ones that people may see
FAILURE_BYTES = 500  # of each: all of them have to fit a header, beside the rest
GONE = 16  # nodes that are told apart after they have left; in some clusters each one has a new name
WELL_S = 60.0  # whoever ran so long has not failed to start


class StudioDoor:
    """Starts the bridge, ends it, and starts it again after a pause where it ended by itself."""

    def __init__(self, config: Config, pool: Pool, clock: Callable[[], float]) -> None:
        self._home, self._elsewhere, self._pool, self._clock = config.home, config.studio_scheduler, pool, clock
        self._stamp: tuple[int, ...] | None = ()  # of no file that can be
        self._wanted = False
        self._url = config.studio_scheduler
        self._moved: dict[str, int] = {}  # bytes, by node; who moved last stands last, and "" is whoever left long ago
        self._failures: deque[Fields] = deque(maxlen=FAILURES)
        self._failed, self._started, self._not_before = 0, 0.0, 0.0

    def refresh(self) -> None:
        """Look at the file, and do what it says. One that cannot be used counts as closed."""
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._stamp = stamp
            self._wanted = self._is_open()
            self._failed = 0
        if self._wanted and not self._pool.bridge.runs and self._clock() >= self._not_before:
            self._started = self._clock()
            try:
                self._pool.open_studio()
            except OSError as error:
                logs.event("studio_not_opened", reason=error)
                self._fail(f"The bridge cannot be started: {error.strerror or error}.")
                self._put_off()
        elif not self._wanted:
            self._pool.bridge.end()

    def closed(self) -> None:
        """The bridge has ended."""
        if self._clock() - self._started >= WELL_S:
            self._failed = 0
        self._put_off()
        self.refresh()

    def heard(self, news: StudioMoved | StudioTrouble) -> None:
        """Keep what people may want to see."""
        if isinstance(news, StudioMoved):
            self._moved[news.node] = self._moved.pop(news.node, 0) + news.size
        else:
            self._fail(news.sentence, news.node)

    def report(self, devices: Iterable[str]) -> Fields | None:
        """For `status`; `devices` are those of its nodes now. None where there is no studio."""
        if not self._url:
            return None
        present = {device.partition("/")[0] for device in devices}
        self._forget(present)
        names = sorted(present | set(self._moved))
        nodes = [{"node": name, "moved_bytes": self._moved.get(name, 0)} for name in names]
        return {"url": self._url, "nodes": nodes, "failures": list(self._failures)}

    def _forget(self, present: set[str]) -> None:
        """Of the nodes that have left, only the last are told apart."""
        gone = [name for name in self._moved if name and name not in present]
        for name in gone[:-GONE]:
            self._moved[""] = self._moved.get("", 0) + self._moved.pop(name)

    def _fail(self, sentence: str, node: str = "") -> None:
        sentence = short(sentence, FAILURE_BYTES)
        last = self._failures[0] if self._failures else {}
        if (last.get("node"), last.get("message")) == (node, sentence):  # tried again, to no avail
            self._failures.popleft()
        self._failures.appendleft({"at": time.time(), "node": node, "message": sentence})

    def due(self) -> float | None:
        """When `refresh` has something to do."""
        return self._not_before if self._wanted and not self._pool.bridge.runs else None

    def _put_off(self) -> None:
        self._not_before = self._clock() + PAUSES_S[min(self._failed, len(PAUSES_S) - 1)]
        self._failed += 1

    def _is_open(self) -> bool:
        wanted = bool(self._elsewhere)
        if not wanted:
            try:
                studio = members.read(self._home)
            except RequestError as error:
                logs.event("studio_not_read", reason=error.message)
                self._fail(error.message)
                return False
            self._url = studio.url if studio is not None else ""
            wanted = studio is not None and studio.open
        if wanted and not members.installed():
            logs.event("studio_not_opened", reason=members.missing())
            self._fail(members.missing())
            return False
        return wanted

    def _stamp_now(self) -> tuple[int, ...] | None:
        try:
            facts = (self._home / members.HEAD / members.FILE).stat()
        except OSError:  # none was opened
            return None
        return facts.st_mtime_ns, facts.st_ino, facts.st_size, facts.st_mode
