"""`vaporbrush jobs --story ID`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support.daemon import ended, environment, recipe, serving
from support.router import Router
from vaporbrush_protocol import RequestError

JOB = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def story(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vaporbrush_daemon", "jobs", "--story", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment(home), timeout=60, check=False)


def test_the_story_of_a_job_is_found_by_the_first_letters_of_its_id(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        job = ended(client, client.submit(recipe(client)))
        told = story(home, job.job[:8])
        assert told.returncode == 0, told.stderr
        assert "submitted, 0 before it" in told.stdout
        assert "begun on cpu, attempt 1" in told.stdout
        entries = json.loads(story(home, job.job, "--json").stdout)["story"]
        assert [entry["state"] for entry in entries][-1] == "done"
        assert story(home, "ffffffff").returncode == 2


def test_a_daemon_of_1_0_is_said_to_keep_no_stories(home: Path) -> None:
    home.mkdir(mode=0o700)
    old = RequestError("unknown_request", "`request` is 'story', but must be one of hello, ping.")
    with Router(home) as router:
        router.answers["list"] = lambda _: {"jobs": [{"job": JOB, "state": "done", "seq": 3}], "more": False}
        router.answers["watch"] = lambda _: {"job": JOB, "state": "done", "seq": 3}
        router.answers["story"] = lambda _: old
        router.connection.write(home)
        told = story(home, JOB[:8])
    assert told.returncode == 2
    assert "is older than this command and keeps no stories" in " ".join(told.stderr.split())
