"""What Windows and macOS put in the way, on fakes of their folders and limits: the same code, with the real uv."""

import json
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path, PureWindowsPath

import pytest
import uv as uv_program

from conftest import skip
from support.gatekeeper import ATTRIBUTE, Gatekeeper, attributes_are_kept
from support.small_painter import SmallPainter, ready, simple, state
from support.store_krita import StoreKrita
from vaporbrush_host.installer import barriers, environment, places, work
from vaporbrush_host.installer import kit as kits
from vaporbrush_host.installer.page import Page
from vaporbrush_protocol.endpoint import Connection, home
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.installation import installed

LOCKS = Path(__file__).resolve().parents[2] / "plugins" / "locks"
linux = pytest.mark.skipif(sys.platform != "linux", reason="the fakes need Linux's namespaces and attributes")


@pytest.fixture
def store(tmp_path):
    return StoreKrita(tmp_path / "C")


@pytest.fixture
def painter(tmp_path, uv, request):
    return SmallPainter(tmp_path, uv, system=request.param)


windows = pytest.mark.parametrize("painter", ["windows-x86_64"], indirect=True)
macos = pytest.mark.parametrize("painter", ["macos-arm64"], indirect=True)


# ── Windows ──


@linux
@windows
def test_what_a_krita_from_the_store_installs_all_programs_find(painter, index, store):
    if subprocess.run([*store.prefix(), "true"], check=False, capture_output=True).returncode:
        skip("this user may not mount folders")
    painter.home = home(store.environment, "win32")
    child = painter.child(simple(index), prefix=store.prefix())
    lines = [json.loads(line) for line in child.communicate(timeout=280)[0].splitlines()]
    assert lines[-1]["stage"] == "done", lines[-1]
    ready(painter)  # GIMP and the command line see what is on the disk, and so does doctor
    assert installed(home(store.environment, "win32")).root == painter.home / "painter"
    Connection(("tcp://127.0.0.1:1",), "token").write(painter.home)
    assert list(store.cache.glob("*/*")) == []  # where it would go with Krita


@linux
@windows
def test_a_folder_that_only_a_krita_from_the_store_would_see_is_refused_with_its_real_place(painter, index, store):
    shown = store.redirect("Art")
    root = places.chosen_root(shown)
    last, _ = painter.install(simple(index), root=root)
    assert last.stage == "failed"
    assert f"writes into {root} in {store.cache / 'Local' / 'Art' / places.OWN}" in last.error.message
    assert "not in AppData" in last.error.message
    assert not index.served
    assert list(shown.iterdir()) == []
    assert state(painter) == "unfinished"
    assert painter.install(simple(index))[0].stage == "done"
    ready(painter)


@linux
@pytest.mark.parametrize("painter", [kits.this_system()], indirect=True)
def test_elsewhere_a_folder_may_be_a_link_to_one_of_that_name(painter, index, store):
    assert painter.install(simple(index), root=places.chosen_root(store.redirect("Art")))[0].stage == "done"
    ready(painter)


@windows
def test_a_folder_whose_path_is_too_long_for_windows_is_refused_before_anything_is_fetched(painter, index, tmp_path):
    root = tmp_path / "much" / "too" / "long"
    painter.longest_name = barriers.MAX_PATH - len(str(root)) - 10
    last, _ = painter.install(simple(index), plugin=painter.release("1.0.1"), root=root)
    assert last.stage == "failed"
    assert f"The path of {root} is too long for Windows (characters too many: " in last.error.message
    assert r"C:\vaporbrush" in last.error.message
    assert not index.served
    assert not root.exists()
    assert painter.install(simple(index))[0].stage == "done"  # a kit of small files
    ready(painter)


@pytest.mark.parametrize(
    ("root", "fits"),
    [
        (r"C:\Users\Maximiliane Musterfrau\.vaporbrush\painter", True),
        (r"C:\vaporbrush-painter", True),
        (r"C:\Users\ada\AppData\Local\Packages\49800Krita_tqvvhr6dqh2y8\LocalCache\Local\vaporbrush\painter", False),
    ],
)
def test_the_usual_folder_is_short_enough_and_the_stores_own_would_not_be(root, fits):
    environment = PureWindowsPath(root) / "environments" / "0.10.0-cuda126-abcdef"
    longest = json.loads((LOCKS / "windows-x86_64-cpu.json").read_text())["longest_name"]
    check = partial(barriers.check_length, environment, PureWindowsPath(root))
    check(0)  # where no system bounds paths
    if fits:
        check(longest)
    else:
        with pytest.raises(VaporbrushError, match="too long for Windows"):
            check(longest)


@windows
def test_a_python_from_the_store_is_left_alone(painter, index, tmp_path, monkeypatch):
    programs = tmp_path / "AppData" / "Local" / "Microsoft" / "WindowsApps"
    programs.mkdir(parents=True)
    (programs / "python.exe").symlink_to(sys.executable)
    asked = []

    def found(self, _version, preference, _stopped):
        asked.append(preference)
        return programs / "python.exe" if preference == "--no-managed-python" else Path(sys.executable)

    monkeypatch.setattr(environment.Uv, "_finds", lambda *_: True)
    monkeypatch.setattr(environment.Uv, "_found", found)
    assert painter.install(simple(index))[0].stage == "done"
    assert asked[-1] == "--managed-python"
    assert "WindowsApps" not in (installed(painter.home).environment / "pyvenv.cfg").read_text()


def test_a_python_that_uv_fetches_is_entered_nowhere_where_other_programs_look(tmp_path, monkeypatch):
    """uv itself is asked for the options; it fetches nothing, for the mirror is an empty folder."""
    asked = []

    def spawn(command, **options):
        asked.append(command)
        return subprocess.Popen(command, **options)

    program, mirror = Path(uv_program.find_uv_bin()), (tmp_path / "mirror").as_uri()
    uv = environment.Uv(program, tmp_path, tmp_path / "log", python_mirror=mirror, spawn=spawn)
    monkeypatch.setattr(environment.Uv, "_finds", lambda *_: False)  # whatever this machine has
    with pytest.raises(VaporbrushError, match=r"Python 3\.14 could not be fetched"):
        uv.python(("3.14",), lambda: False)
    assert {"install", "--no-bin", "--no-registry"} < set(asked[-1])
    assert "unexpected argument" not in (tmp_path / "log").read_text()


# ── macOS ──


@pytest.fixture
def gatekeeper(tmp_path, monkeypatch):
    """The host program is one that puts all that it writes into quarantine."""
    if not attributes_are_kept(tmp_path):
        pytest.skip("this disk keeps no attributes")
    gatekeeper, unpack = Gatekeeper(), work.unpack
    monkeypatch.setattr(work, "unpack", lambda *given: gatekeeper.mark(unpack(*given)))
    monkeypatch.setattr(work, "take_off_quarantine", partial(barriers.take_off_quarantine, attribute=ATTRIBUTE))
    return gatekeeper


@linux
@macos
def test_a_program_that_matched_its_hash_runs_though_it_came_in_quarantine(painter, index, gatekeeper):
    last, _ = painter.install(simple(index), spawn=gatekeeper.spawn)
    assert last.stage == "done", last
    assert gatekeeper.refused == []
    ready(painter)


@linux
@macos
def test_a_bundle_from_a_browser_installs_and_stays_in_quarantine(painter, gatekeeper, tmp_path):
    bundle = tmp_path / "bundle.zip"
    with zipfile.ZipFile(bundle, "w") as archive:
        for wheel in painter.wheels.iterdir():
            archive.write(wheel, wheel.name)
    gatekeeper.mark(bundle)
    last, _ = painter.install("", bundle=str(bundle), spawn=gatekeeper.spawn)
    assert last.stage == "done", last
    assert gatekeeper.marks(bundle)  # it is the person's, and nobody has compared it with anything
    ready(painter)


@linux
@macos
def test_a_program_that_macos_ends_is_told_with_where_it_can_be_allowed(painter, index, gatekeeper, monkeypatch):
    with monkeypatch.context() as stuck:
        stuck.setattr(work, "take_off_quarantine", lambda *_: None)
        last, _ = painter.install(simple(index), spawn=gatekeeper.spawn)
    (refused,) = gatekeeper.refused
    assert last.stage == "failed"
    assert last.error.message.startswith(f"macOS has ended {refused}.")
    assert "Privacy & Security" in last.error.message
    assert state(painter) == "unfinished"
    assert painter.install(simple(index), spawn=gatekeeper.spawn)[0].stage == "done"
    ready(painter)


@linux
def test_the_mark_is_taken_off_on_macos_only_and_what_has_none_stays_as_it_is(gatekeeper, tmp_path):
    program = tmp_path / "uv"
    program.touch()
    take_off = partial(barriers.take_off_quarantine, program, attribute=ATTRIBUTE)
    take_off("macos-arm64")
    gatekeeper.mark(program)
    take_off("linux-x86_64")
    assert gatekeeper.marks(program)
    take_off("macos-arm64")
    assert not gatekeeper.marks(program)


@macos
def test_inside_the_mac_app_stores_sandbox_the_page_says_which_program_to_use(painter, monkeypatch):
    monkeypatch.setattr("vaporbrush_host.installer.page.this_system", lambda: painter.system)
    page = Page(painter.plugin, lambda _event: None, by="a test", home=painter.home)
    assert page.view().mode == "full"
    monkeypatch.setenv(barriers.APP_STORE, "org.kde.krita")
    page.look()
    view = page.view()
    assert (view.mode, view.title) == ("strip", "The painter cannot be installed here")
    assert view.text.startswith("This program is from the Mac App Store")
    assert page.introduce()
    page.press()
    assert not page.running
    assert state(painter) == "impossible"
