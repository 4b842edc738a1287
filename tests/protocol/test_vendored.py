"""What is copied into a host program: the package and msgpack's pure-Python files, on every Python that is here."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgpack
import pytest

import vaporbrush_protocol

PACKAGE = Path(vaporbrush_protocol.__file__).parent
TESTS = Path(__file__).resolve().parents[1]
CHECK = """
import sys
sys.path.insert(0, sys.argv[1])
import vaporbrush_protocol.codec as codec
from vaporbrush_protocol import Client, Recipe
assert codec.msgpack.__name__ == "vaporbrush_protocol._vendor.msgpack", codec.msgpack
assert codec.msgpack.Packer.__module__.endswith("fallback"), codec.msgpack.Packer
foreign = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
assert foreign <= {"vaporbrush_protocol", "__main__", "__mp_main__"}, foreign
sys.path.insert(0, sys.argv[2])
import random
from support.vectors import load
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.messages import parse_request
good, bad = load("good.json"), load("bad.json")
for vector in good:
    assert codec.decode(vector["frames"]) == (vector["header"], vector["chunk"]), vector["name"]
    assert codec.decode(codec.encode(*codec.decode(vector["frames"])))[0] == vector["header"], vector["name"]
for vector in bad:
    try:
        parse_request(*codec.decode(vector["frames"]))
    except RequestError as error:
        assert error.code == vector["error"], (vector["name"], error.code)
    else:
        raise AssertionError(vector["name"])
dice = random.Random(1)
small = [v["frames"] for v in good + bad if len(v["frames"]) > 1 and len(v["frames"][1]) < 2000]
for _ in range(3000):
    frames = [bytearray(frame) for frame in dice.choice(small)]
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(frames[1]) + 1)
        frames[1][at : at + dice.choice((0, 1, 1))] = dice.randbytes(dice.choice((0, 1, 3)))
    try:
        codec.decode([bytes(frame) for frame in frames])
    except RequestError:
        pass
print("sound")
"""


def vendored(folder: Path) -> Path:
    target = folder / "vaporbrush_protocol"
    shutil.copytree(PACKAGE, target, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "_vendor" / "msgpack").mkdir(parents=True)
    (target / "_vendor" / "__init__.py").touch()
    for file in Path(msgpack.__file__).parent.glob("*.py"):
        shutil.copy(file, target / "_vendor" / "msgpack")
    return folder


def pythons() -> list[str]:
    """This one, and one of each other version that runs here (pyenv's, or the system's)."""
    others = [*map(str, Path.home().glob(".pyenv/versions/3.*/bin/python3"))]
    others += [found for minor in range(10, 15) if (found := shutil.which(f"python3.{minor}"))]
    versions: dict[str, str] = {}
    for python in (sys.executable, *others):
        ask = [python, "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        said = subprocess.run(ask, check=False, capture_output=True, text=True, timeout=60)
        version = said.stdout.strip()
        if said.returncode == 0 and tuple(map(int, version.split("."))) >= (3, 10):
            versions.setdefault(version, python)
    return list(versions.values())


@pytest.mark.parametrize("python", pythons(), ids=lambda path: Path(path).parts[-3])
def test_the_copy_in_a_host_works_alone_and_passes_the_vectors(tmp_path: Path, python: str) -> None:
    command = [python, "-I", "-S", "-W", "error", "-c", CHECK, str(vendored(tmp_path)), str(TESTS)]
    clean = {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, env=clean)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "sound\n"


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_every_module_is_python_3_10_and_imports_only_the_standard_library(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 10))
    newer = {"tomllib", "StrEnum", "Self", "ExceptionGroup", "UTC", "TaskGroup", "override", "batched", "file_digest"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
            assert names <= {*sys.stdlib_module_names, "msgpack"}, names
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1 or (node.level == 0 and node.module.partition(".")[0] in sys.stdlib_module_names)
            assert not newer & {alias.name for alias in node.names}
        elif isinstance(node, (ast.Attribute, ast.Name)):
            assert (node.attr if isinstance(node, ast.Attribute) else node.id) not in newer
