"""The requests about the history: `history`, `recall`, `pin` and `forget`. Everybody has an own one."""

from __future__ import annotations

from collections.abc import Callable

from vaporbrush_daemon.scheduling.events import Ticket
from vaporbrush_protocol import messages as m

from .connections import Reply
from .history_files import HistoryFiles
from .permissions import Permissions
from .reports import Fields, Respond, fitting, replying
from .spool import Spool

Asked = m.History | m.Recall | m.Pin | m.Forget


class HistoryRequests:
    """What each of them does. `clock` gives monotonic seconds."""

    def __init__(self, files: HistoryFiles, spool: Spool, permissions: Permissions, clock: Callable[[], float]) -> None:
        self._files, self._spool, self._permissions, self._clock = files, spool, permissions, clock

    def answer(self, request: Asked, ticket: Ticket, respond: Respond) -> None:
        """Do what is asked when every painting that is done is in the history; reply when a change is on the disk."""

        def kept(reply: Reply | Exception) -> None:
            self._spool.when_written(lambda: respond(reply))

        act = replying(kept, lambda: self._do(request, ticket))
        self._files.when_settled(lambda: act(None))

    def _do(self, request: Asked, ticket: Ticket) -> Fields:
        match request:
            case m.History():
                return self._page(request.after, ticket)
            case m.Recall():
                return self._recall(request.job, ticket)
            case m.Pin():
                pinned = self._files.pin(self._clock(), request.job, ticket.guest, pinned=request.pinned)
                return pinned.shown.to_wire()
            case m.Forget():
                self._files.forget(request.job, ticket.guest)
                return {}

    def _page(self, after: str | None, ticket: Ticket) -> Fields:
        history = self._files.history
        entries = history.of(ticket.guest)
        if after is not None:
            entries = entries[entries.index(history.get(after, ticket.guest)) + 1 :]
        shown = fitting(entries, lambda entry: entry.shown.to_wire())
        listed = entries[: len(shown)]
        self._files.show(self._clock(), listed)
        for entry in listed:
            self._permissions.grant(ticket, entry.shown.thumb.blob)
        return {
            "entries": shown,
            "more": len(shown) < len(entries),
            "bytes": history.bytes_of(ticket.guest),
            "room": history.room,
            "kept": history.most,
        }

    def _recall(self, job: str, ticket: Ticket) -> Fields:
        entry = self._files.history.get(job, ticket.guest)
        self._files.recall(self._clock(), entry)
        for blob in entry.blobs:
            self._permissions.grant(ticket, blob)
        return {**entry.shown.to_wire(), "recipe": entry.recipe.to_wire()}
