"""The exit statuses, and which of them an error leads to. Scripts rely on the numbers."""

from __future__ import annotations

from vaporbrush_protocol.errors import LinkError, RequestError, VaporbrushError

DONE, FAILED, USAGE, NO_DAEMON, CANCELLED = 0, 1, 2, 3, 130

# The order itself was found wrong, not the painting of it.
USAGE_CODES = {"bad_field", "too_large", "too_small", "unknown_style", "unknown_model", "unknown_job", "device_missing"}


def of(error: VaporbrushError) -> int:
    """The exit status for an error."""
    if error.code == "cancelled":
        return CANCELLED
    if isinstance(error, LinkError):
        return NO_DAEMON
    return USAGE if isinstance(error, RequestError) or error.code in USAGE_CODES else FAILED
