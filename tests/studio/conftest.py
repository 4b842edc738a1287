"""What the studio's tests share."""

from __future__ import annotations

import uuid

import pytest

from support import fake_worker as fake
from support.daemon import recipe
from support.nodes import check_extra
from vaporbrush_protocol import Client, Job


@pytest.fixture(autouse=True, scope="session")
def _the_extra() -> None:
    check_extra()


def paint(client: Client, tint: int = 0, seed: int = fake.WELL, device: str = "auto", **fields: object) -> Job:
    return client.submit(recipe(client, seed, tint=tint, device=device), str(uuid.uuid4()), lease_s=600.0, **fields)
