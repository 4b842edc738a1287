"""The plug-ins that people installed with 0.1.0 work with today's daemon."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import msgpack

from support.daemon import DEADLINE_S, Daemon, environment
from vaporbrush_protocol.version import __version__

TESTS = Path(__file__).resolve().parents[1]
WAIT_S = 240


def test_the_client_of_0_1_0_paints_resumes_watches_cancels_lists_and_ends_the_daemon(
    home: Path, tmp_path: Path
) -> None:
    vendored = tmp_path / "plugin"
    shutil.copytree(TESTS / "frozen" / "client_0_1_0", vendored)
    beside = vendored / "vaporbrush_protocol" / "_vendor" / "msgpack"  # pure Python, where installers put it
    beside.mkdir(parents=True)
    (beside.parent / "__init__.py").touch()
    for file in Path(msgpack.__file__).parent.glob("*.py"):
        shutil.copy(file, beside)
    daemon = Daemon(home).start()
    try:
        paths = {"PYTHONPATH": ""}  # it finds itself only; the daemon that it starts, the checkout
        program = [sys.executable, "-P", str(TESTS / "support" / "old_client.py"), str(vendored)]
        done = subprocess.run(
            program, check=False, capture_output=True, text=True, timeout=WAIT_S, env={**environment(home), **paths}
        )
        assert done.returncode == 0, done.stderr + daemon.log()
    finally:
        assert daemon.process.wait(DEADLINE_S) == 0, "it was told to end"
        daemon.stop()
    found = json.loads(done.stdout)
    assert found["minor"] >= 1
    assert set(found["painted"]["phases"]) <= {"loading", "painting"}
    assert {"image", "recipe", "steps_done"} <= set(found["painted"]["result"])
    upload = found["resumed"]
    assert 0 < upload["size"] // 3 <= upload["began_at"] <= upload["ended_at"] == upload["size"]
    assert found["followed"]["states"] == ["done", "cancelled", "cancelled"]
    assert found["refused"] == {
        "estimate": "too_small", "submit": "unknown_blob", "watch": "unknown_job", "story": "unknown_request",
        "bad": "bad_field",
    }  # fmt: skip
    assert found["started"] == f"vaporbrush {__version__}"
    assert "Traceback" not in daemon.log()
