"""The closed tree of errors. `code` is for programs, the sentence is for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .shown import plain

# code → (retryable, meaning). The specification's table is generated from this one.
CODES: dict[str, tuple[bool, str]] = {
    "bad_frame": (False, "The message is not a valid sequence of frames."),
    "bad_header": (False, "The header is not a valid msgpack map."),
    "unsupported_version": (False, "The two sides speak different major versions."),
    "unknown_request": (False, "The request's name is not known to this daemon."),
    "bad_field": (False, "A field is missing, of the wrong type or out of range."),
    "too_large": (False, "Something exceeds a limit that `hello` announces."),
    "too_small": (False, "A picture is smaller than the smallest that can be painted."),
    "busy": (True, "The queue is full, or the thing asked for is in use."),
    "unknown_job": (False, "No job of this id is known (any more)."),
    "unknown_blob": (False, "The bytes named by this hash are not here: send them with `put`."),
    "unknown_style": (False, "No bundled or user style has this name."),
    "unknown_model": (False, "No model has this name."),
    "conflict": (False, "The job id is taken by a different job, or a blob's bytes do not match its hash."),
    "cancelled": (False, "The job was cancelled."),
    "out_of_memory": (False, "The device's memory does not suffice, even for the cheaper plan."),
    "worker_crashed": (True, "The worker process died twice while it ran this job."),
    "worker_stuck": (True, "The worker process stopped making progress and was ended."),
    "diverged": (False, "The loss became not-a-number or stayed flat."),
    "disk_full": (True, "The spool's disk or byte budget is full."),
    "weights_missing": (False, "The model's weights are not on this machine."),
    "weights_corrupt": (False, "The weights file is damaged or not what its name says."),
    "download_failed": (True, "The weights could not be downloaded."),
    "device_missing": (False, "The device asked for does not exist here."),
    "forbidden": (False, "A guest asked for what only the daemon's own user may have."),
    "unreachable": (True, "The other machine that was to paint cannot be reached, or was lost and has not come back."),
    "shutting_down": (True, "The daemon is ending and takes no more work."),
    "internal": (False, "A defect in the daemon; its log has the details."),
    # raised on the client's side only, never on the wire
    "no_daemon": (True, "No daemon answers."),
    "link_lost": (True, "The connection to the daemon broke."),
    "wrong_token": (False, "The daemon refused the token."),
    "not_private": (False, "Other users may change what tells how to reach and start the daemon."),
    "timeout": (True, "The daemon did not answer in time."),
    "bad_reply": (False, "The daemon's reply breaks the protocol."),
}


class VaporbrushError(Exception):
    """Base of every error that Vaporbrush raises on purpose.

    `message` is one sentence: what was wrong, with the value, and what to do.
    """

    def __init__(self, code: str, message: str, *, retry_after_s: float | None = None) -> None:
        if code not in CODES:
            raise AssertionError(f"error code {code!r} is not in the table")
        self.code = code
        self.message = plain(message)  # it may repeat a file's name, or what the other side said
        super().__init__(self.message)
        self.retry_after_s = retry_after_s

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return CODES[self.code][0]

    def to_wire(self) -> dict[str, Any]:
        """The map that stands under `error` in a reply."""
        wire: dict[str, Any] = {"code": self.code, "message": self.message, "retryable": self.retryable}
        if self.retry_after_s is not None:
            wire["retry_after_s"] = self.retry_after_s
        return wire

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code}: {self.message})"


class RemoteError(VaporbrushError):
    """The daemon refused a request or failed a job."""

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> RemoteError:
        """An error reply as an exception; a code this version does not know becomes `internal`."""
        code = wire.get("code")
        retry_after = wire.get("retry_after_s")
        return cls(
            code if isinstance(code, str) and code in CODES else "internal",
            str(wire.get("message", "The daemon reported an error without a message.")),
            retry_after_s=float(retry_after) if isinstance(retry_after, (int, float)) else None,
        )


class RequestError(VaporbrushError):
    """Something that the caller or the peer sent is not acceptable."""


class LinkError(VaporbrushError):
    """The daemon cannot be reached, or the connection broke."""
