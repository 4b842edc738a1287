"""What a guest may ask for: its own jobs and pictures, and whatever changes nothing for others.

The daemon's own user may ask for everything. To a guest, what belongs to somebody else does not exist: it gets the same
sentence as for a job or blob that nobody knows. Else it could find out by its hash whether somebody has a picture.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict

from vaporbrush_daemon.guests import Guests
from vaporbrush_daemon.scheduling.events import Ticket
from vaporbrush_daemon.scheduling.job_table import JobTable
from vaporbrush_protocol import messages as m
from vaporbrush_protocol.errors import RequestError

OWNERS_ONLY = (m.FetchModel, m.Unload, m.Shutdown)
ABOUT_A_JOB = (m.Watch, m.Cancel, m.Finish, m.Release, m.Story)
MAX_BLOBS = 4096  # of a guest that are remembered to be its own; one that is forgotten has to be sent again


class Permissions:
    """The rules, and whose blobs are whose."""

    def __init__(self, table: JobTable, guests: Guests) -> None:
        self._table, self._guests = table, guests
        self._sent: defaultdict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)

    def check(self, request: m.Request, ticket: Ticket) -> None:
        """Raise `forbidden`, `unknown_job`, `unknown_blob` or `conflict` for what this client may not have."""
        guest = ticket.guest
        if not guest:
            return
        if guest not in self._guests:
            raise RequestError("forbidden", f"The guest {guest} was removed here; ask for a new invitation.")
        if isinstance(request, OWNERS_ONLY):
            name = m.NAMES[type(request)]
            raise RequestError("forbidden", f"`{name}` is for the daemon's own user; the guest {guest} cannot do it.")
        if isinstance(request, ABOUT_A_JOB):
            self._table.get(request.job, ticket.client)
        if isinstance(request, m.List) and request.after is not None:
            self._table.get(request.after, ticket.client)
        if isinstance(request, m.Submit):
            self._check_submit(request, ticket)
        if isinstance(request, m.Get) and not self.has(ticket, request.blob):
            raise RequestError("unknown_blob", f"The blob {request.blob} is not here (any more): send it with `put`.")

    def _check_submit(self, submit: m.Submit, ticket: Ticket) -> None:
        known = self._table.jobs.get(submit.job)
        if known is not None and known.client != ticket.client:
            raise RequestError(
                "conflict", f"Job {submit.job} is already taken by a different job; make a new id for this one."
            )
        if submit.after is not None:
            self._table.get(submit.after, ticket.client)
        for image in submit.recipe.images:
            if image.blob and not self.has(ticket, image.blob):
                raise RequestError("unknown_blob", f"The blob {image.blob} is not here: send it with `put` first.")

    def has(self, ticket: Ticket, blob: str) -> bool:
        """Whether a blob, if it is here, is a guest's own: one that it sent whole, or that was painted for it."""
        sent = self._sent[ticket.guest]
        if blob in sent:
            sent.move_to_end(blob)
            return True
        return any(blob in job.made and not job.released for job in self._table.of(ticket.client))

    def grant(self, ticket: Ticket, blob: str) -> None:
        """The guest may have this blob: it has sent all of it, or it is shown to everybody."""
        if ticket.guest:
            sent = self._sent[ticket.guest]
            sent[blob] = None
            if len(sent) > MAX_BLOBS:
                sent.popitem(last=False)
