"""The specification says what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields

import pytest

from support.spec import FOLDER, SPEC, first_column, section
from vaporbrush_protocol.errors import CODES
from vaporbrush_protocol.job import Job
from vaporbrush_protocol.limits import MAX_CHUNK_BYTES, MAX_DEPTH, MAX_HEADER_BYTES, MAX_OUTSTANDING, PROTOCOL
from vaporbrush_protocol.messages import REQUESTS
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.rules import MAX_INTEGER


def test_the_generated_tables_are_what_the_code_says() -> None:
    script = [sys.executable, str(FOLDER / "generate.py"), "--check"]
    done = subprocess.run(script, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", REQUESTS)
def test_every_request_has_its_section_with_request_and_reply(name: str) -> None:
    text = section(f"`{name}`")
    assert f"<!-- table request:{name} -->" in text
    assert "\nReply" in text


def test_the_records_that_are_written_by_hand_have_the_code_s_fields() -> None:
    assert first_column(section("Progress")) == {each.name for each in fields(Progress)}
    assert first_column(section("Job")) == {each.name for each in fields(Job)} - {"preview"}


def test_every_error_code_that_the_text_names_exists() -> None:
    named = set(re.findall(r"`([a-z_]+)`", " ".join(re.findall(r"^Errors: .*?\n\n", SPEC, re.DOTALL | re.MULTILINE))))
    assert named
    assert named <= set(CODES)


def test_the_numbers_in_the_text_are_the_limits() -> None:
    assert f"header    = 1*{MAX_HEADER_BYTES}OCTET" in SPEC
    assert f"chunk     = 0*{MAX_CHUNK_BYTES}OCTET" in SPEC
    assert f"nested more than {MAX_DEPTH} deep" in " ".join(SPEC.split())
    assert f"At most {MAX_OUTSTANDING} requests may wait" in SPEC
    assert ".".join(f"{byte:02X}" for byte in PROTOCOL) in SPEC
    assert MAX_INTEGER == 2**53 - 1


def test_the_script_is_short() -> None:
    script = re.search(r"```python\n(.*?)```", SPEC, re.DOTALL)
    assert script
    assert len([line for line in script[1].splitlines() if line.strip()]) <= 32


def test_no_line_is_too_long_to_read() -> None:
    assert [line for line in SPEC.splitlines() if len(line) > 120 and not line.startswith("|")] == []
