"""The offline bundle that `make bundle` makes: the plug-in installs from it, and one that lacks something is none."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest

from support.package_index import serving
from support.small_painter import PYTHON, SmallPainter, ready, simple, uv_wheel
from vaporbrush_host.installer import kit as kits
from vaporbrush_protocol.errors import VaporbrushError

TOOLS = Path(__file__).resolve().parents[2] / "daemon" / "tools"


@pytest.fixture(scope="module")
def bundle():
    """The tool's function."""
    sys.path.insert(0, str(TOOLS))
    spec = importlib.util.spec_from_file_location("bundle", TOOLS / "bundle.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(TOOLS))
    return module.bundle


@pytest.fixture
def painter(tmp_path):
    return SmallPainter(tmp_path, uv_wheel(tmp_path))


@pytest.fixture
def locks(painter):
    """The locks as they lie in plugins/locks."""
    folder = painter.base / "locks"
    shutil.copytree(painter.plugin / "painter" / "locks", folder)
    kit = json.loads((painter.plugin / "painter" / "kit.json").read_text())
    (folder / "uv.json").write_text(json.dumps({"systems": kit["uv"]}))
    return folder


def made(bundle, painter, locks):
    """Make it, from an index on loopback."""
    wheel = next((painter.plugin / "painter").glob("*.whl"))
    with serving(painter.wheels) as index:
        return bundle(wheel, f"{kits.this_system()}-cpu", PYTHON, painter.base, locks, simple(index))


def test_a_plug_in_installs_from_the_bundle_alone(bundle, painter, locks):
    path = made(bundle, painter, locks)
    assert painter.install("", bundle=str(path))[0].stage == "done"
    ready(painter)


def test_a_bundle_that_lacks_something_is_not_left_behind(bundle, painter, locks):
    next(painter.wheels.glob("brushes*")).unlink()
    with pytest.raises(VaporbrushError, match=r"does not have brushes"):
        made(bundle, painter, locks)
    assert not list(painter.base.glob("*offline*"))
