"""What happened to a job can be told afterwards."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from support import fake_worker as fake
from support.daemon import ended, recipe, serving
from vaporbrush_protocol import RemoteError


def test_a_job_has_a_story_with_times_and_states(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        began = time.time()
        job = ended(client, client.submit(recipe(client, fake.DIES_ONCE)))
        entries = client.story(job.job)
        told = [(entry.state, entry.text) for entry in entries]
        assert told[0] == ("queued", "submitted, 0 before it")
        assert ("running", "begun on cpu, attempt 1") in told
        assert any(state == "queued" and "SIGKILL" in text for state, text in told)
        assert ("running", "painting, scale 1 of 1") in told
        assert told[-1] == ("done", "done")
        times = [entry.at for entry in entries]
        assert times == sorted(times)
        assert began - 1.0 <= times[0] <= times[-1] <= time.time() + 1.0
        with pytest.raises(RemoteError) as refused:
            client.story("6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
        assert refused.value.code == "unknown_job"
