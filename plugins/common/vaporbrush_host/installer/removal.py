"""Removing the painter: its daemon ends first, and only then its files go. In a thread, for an end may take a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vaporbrush_host.ui_text import _
from vaporbrush_protocol.client import connect
from vaporbrush_protocol.errors import VaporbrushError

from . import places

ENDS_S = 60.0  # for a daemon that was told to end, with its workers
WAIT_S = 0.1  # how often it is looked whether it has
BRIEF_S = 5.0  # for its answer

QUESTION = _("Remove the painter from this computer?")
REASSURANCE = _(
    "Your pictures stay as they are; a painting that is under way ends. The plug-in stays, and can install it again."
)
KEEP = _("Keep my styles and settings")
EVERYTHING = _("Remove everything")
ACTION = _("Remove the painter…")


@dataclass(frozen=True)
class Removed:
    """What to say of a removal that has ended. After an `error`, nothing was removed."""

    said: str
    error: bool = False


class Removal(threading.Thread):
    """One removal. Posts one `Removed` from its own thread."""

    def __init__(
        self, home: Path, post: Callable[[Removed], None], *, everything: bool, ends_s: float = ENDS_S
    ) -> None:
        super().__init__(name="vaporbrush-removal", daemon=True)
        self._home, self._post, self._everything, self._ends_s = home, post, everything, ends_s

    def run(self) -> None:
        """The thread."""
        try:
            self._end_daemon()
            left = places.uninstall(self._home, everything=self._everything)
        except VaporbrushError as error:
            self._post(Removed(error.message, error=True))
        except OSError as error:
            text = _("{path} cannot be removed: {reason}.").format(
                path=error.filename or self._home, reason=error.strerror or error
            )
            self._post(Removed(text, error=True))
        else:
            said = _("The painter is gone.")
            if left:
                said = _("Some files are still in use; they stay in {places}.").format(places=", ".join(map(str, left)))
            self._post(Removed(said))

    def _end_daemon(self) -> None:
        """End the daemon that runs from what is to go. Somebody else's stays, unless its folder is to go too. Raises
        `VaporbrushError` (`conflict`) where it does not end.
        """
        if not (self._everything or any(places.runs_from(self._home, root) for root in places.roots(self._home))):
            return
        # None may answer (any more): whether one is there all the same, its lock says.
        with (
            suppress(VaporbrushError),
            connect(home=self._home, timeout_s=BRIEF_S, name="vaporbrush removal") as client,
        ):
            client.shutdown(now=True)
        deadline = time.monotonic() + self._ends_s
        while not places.daemon_has_ended(self._home):
            if time.monotonic() > deadline:
                raise VaporbrushError(
                    "conflict",
                    _(
                        "The painter still runs and did not end within {seconds} s. Nothing was removed; restart this "
                        "computer, and try again."
                    ).format(seconds=f"{self._ends_s:.0f}"),
                )
            time.sleep(WAIT_S)
