"""What the studio's tests share."""

from __future__ import annotations

import importlib.util
import uuid

import pytest

from conftest import skip
from support import fake_worker as fake
from support.daemon import recipe
from vaporbrush_protocol import Client, Job


@pytest.fixture(autouse=True, scope="session")
def _the_extra() -> None:
    if importlib.util.find_spec("distributed") is None or importlib.util.find_spec("cryptography") is None:
        skip("the extra is not installed: pip install 'vaporbrush[studio]'")


def paint(client: Client, tint: int = 0, seed: int = fake.WELL, device: str = "auto", **fields: object) -> Job:
    return client.submit(recipe(client, seed, tint=tint, device=device), str(uuid.uuid4()), lease_s=600.0, **fields)
