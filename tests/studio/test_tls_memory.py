"""A node whose head is away for days knocks every few seconds: nothing of an attempt is kept."""

from __future__ import annotations

import gc
import ssl
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vaporbrush_daemon.studio import authority
from vaporbrush_daemon.studio.lines import MutualTls
from vaporbrush_daemon.studio.members import Elsewhere


def studios_own(home: Path) -> MutualTls:
    return MutualTls.of(home / "studio")


def of_a_cluster(home: Path) -> MutualTls:
    files = (str(home / "studio" / name) for name in ("ca.pem", "certificate.pem", "key.pem"))
    return MutualTls.elsewhere(Elsewhere("tls://dask.example:8786", *files))


@pytest.mark.parametrize("tls_of", [studios_own, of_a_cluster])
def test_what_an_attempt_needed_goes_with_it(home: Path, tls_of: Callable[[Path], MutualTls]) -> None:
    authority.found(home, datetime.now(UTC))
    tls = tls_of(home)
    roles = ("client", "worker") * 5
    attempts = [weakref.ref(tls.get_connection_args(role)["ssl_context"]) for role in roles]
    gc.collect()
    assert not any(one() for one in attempts)


def test_a_connections_context_hears_of_a_new_list(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.found(home, datetime.now(UTC))
    tls = studios_own(home)
    kept = tls.get_listen_args("scheduler")["ssl_context"]
    loaded: list[ssl.SSLContext] = []
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda self, **_: loaded.append(self))
    tls.reload()
    assert loaded == [kept]
