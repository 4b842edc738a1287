"""What the installer's first page says in every state, and what its buttons do; the same in Krita and in GIMP."""

import json
import queue
import shutil

import pytest

from support.package_index import Fault
from support.small_painter import simple
from vaporbrush_host.installer import kit as kits
from vaporbrush_host.installer import places
from vaporbrush_host.installer.gpu import GpuFound, gpu_told
from vaporbrush_host.installer.page import Page
from vaporbrush_host.installer.removal import Removed
from vaporbrush_protocol.endpoint import Connection
from vaporbrush_protocol.installation import installed

WAIT_S = 120


class Host:
    """A host program with the page: it waits for what the threads post."""

    def __init__(self, painter, index, plugin=None):
        self.events = queue.Queue()
        self.page = Page(plugin or painter.plugin, self.events.put, by="a test", home=painter.home)
        self.page.set_index(f"{index.url}/simple", "")
        self.lines = []

    def until_ended(self):
        while True:
            event = self.events.get(timeout=WAIT_S)
            ready = self.page.take(event)
            if not isinstance(event, GpuFound):
                self.lines.append(event.line)
                if event.ended:
                    return ready

    def until_removed(self):
        while True:
            event = self.events.get(timeout=WAIT_S)
            self.page.take(event)
            if isinstance(event, Removed):
                return event


def test_one_click_and_the_page_is_gone(painter, index):
    host = Host(painter, index)
    view = host.page.view()
    assert (view.mode, view.title) == ("full", "Vaporbrush needs its painter")
    assert view.action.startswith("Install the painter (about ")
    assert "from 127.0.0.1" in view.text
    assert "are free" in view.text
    assert view.place == str(painter.home / "painter")
    host.page.press()
    assert host.page.view().running
    assert host.until_ended()
    assert host.page.view().mode == "hidden"
    assert host.page.removable


def test_the_page_shows_itself_once_after_the_import_and_never_where_a_painter_is(painter, index):
    host = Host(painter, index)
    assert host.page.introduce()
    assert not host.page.introduce()
    assert not Host(painter, index).page.introduce()  # nor after a new start
    host.page.press()
    host.until_ended()
    (painter.home / "hosts.json").unlink()
    assert not Host(painter, index).page.introduce()


def test_another_folder_is_taken_with_a_folder_of_its_own_in_it(painter, index, tmp_path):
    host = Host(painter, index)
    host.page.choose_folder(tmp_path / "elsewhere ü")
    host.page.press()
    assert host.until_ended()
    assert installed(painter.home).root == tmp_path / "elsewhere ü" / places.OWN


def test_what_a_person_stopped_waits_for_a_click_and_then_goes_on(painter, index):
    index.pace_s = 0.05
    host = Host(painter, index)
    host.page.press()
    while not index.sent("uv"):
        host.page.take(host.events.get(timeout=WAIT_S))
    host.page.cancel()
    assert host.page.view().stopping
    assert not host.until_ended()
    view = host.page.view()
    assert (view.mode, view.action) == ("full", "Go on")
    assert "kept" in view.line
    again = Host(painter, index)  # the next start of the host
    again.page.resume()
    assert not again.page.running
    index.pace_s = 0
    again.page.press()
    assert again.until_ended()


def test_what_the_hosts_end_cut_goes_on_at_the_next_start(painter, index):
    index.pace_s = 0.05
    host = Host(painter, index)
    host.page.press()
    while not index.sent("uv"):
        host.page.take(host.events.get(timeout=WAIT_S))
    host.page.close()
    host.page._install.join(WAIT_S)
    index.pace_s = 0
    again = Host(painter, index)
    again.page.resume()
    assert again.page.running
    assert again.until_ended()
    assert installed(painter.home).whole


def test_a_second_folder_without_room_leaves_what_was_fetched_into_the_first(painter, index, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    wheel = painter.wheels / "brushes-2.0-py3-none-any.whl"
    wheel.rename(tmp_path / "away.whl")
    assert painter.install(simple(index), root=first)[0].stage == "failed"
    fetched = sorted((first / "downloads").iterdir())
    assert fetched
    full = painter.install(simple(index), root=second, free=lambda _folder: 0)[0]
    assert full.stage == "failed"
    assert str(second) in full.error.message
    assert sorted((first / "downloads").iterdir()) == fetched
    (tmp_path / "away.whl").rename(wheel)
    assert painter.install(simple(index), root=first)[0].stage == "done"


def test_another_folder_can_be_chosen_where_the_first_was_none_and_nothing_is_left_in_it(painter, index, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    host = Host(painter, index)
    host.page.choose_folder(first)
    (painter.wheels / "brushes-2.0-py3-none-any.whl").rename(tmp_path / "away.whl")
    host.page.press()
    assert not host.until_ended()
    assert (first / places.OWN / "downloads").is_dir()
    view = host.page.view()
    assert (view.action, view.place) == ("Go on", str(first / places.OWN))
    (tmp_path / "away.whl").rename(painter.wheels / "brushes-2.0-py3-none-any.whl")
    host.page.choose_folder(second)
    assert host.page.view().place == str(second / places.OWN)
    host.page.press()
    assert host.until_ended()
    assert installed(painter.home).root == second / places.OWN
    assert not (first / places.OWN).exists()


def test_while_a_painter_works_the_folder_of_its_update_cannot_be_changed(painter, index):
    host = Host(painter, index)
    host.page.press()
    host.until_ended()
    places.write_journal(painter.home, places.Want("1.1.0", "cuda", painter.home / "painter"))
    again = Host(painter, index, painter.release("1.1.0"))
    assert (again.page.view().action, again.page.view().place) == ("Go on", "")


def test_an_error_is_a_sentence_with_details_and_a_way_on(painter, index):
    index.faults.append(Fault("brushes", changed=True, times=9))
    host = Host(painter, index)
    host.page.press()
    assert not host.until_ended()
    view = host.page.view()
    assert view.error
    assert "brushes" in view.line
    assert view.action == "Go on"
    assert "install.log" in host.page.details()


def test_a_newer_zip_offers_itself_beside_the_controls_and_takes_no_for_an_answer(painter, index):
    first = Host(painter, index)
    first.page.press()
    first.until_ended()
    newer = painter.release("1.1.0")
    host = Host(painter, index, newer)
    view = host.page.view()
    assert (view.mode, view.title, view.dismissable) == ("strip", "A newer painter is in this plug-in", True)
    assert view.dismiss == "Not now"
    host.page.dismiss()
    assert host.page.view().mode == "hidden"
    assert Host(painter, index, newer).page.view().mode == "hidden"


def test_a_gpu_is_offered_its_build_and_gets_it(painter, index):
    first = Host(painter, index)
    first.page.press()
    first.until_ended()
    host = Host(painter, index)
    host.page.take(GpuFound("cuda", "GeForce"))
    view = host.page.view()
    assert (view.mode, view.title) == ("strip", "GeForce can paint faster")
    host.page.press()
    assert host.page.view().mode == "strip"  # one goes on painting meanwhile
    assert host.until_ended()
    assert installed(painter.home).backend == "cuda"


@pytest.mark.parametrize(
    ("build", "why", "sentence"),
    [
        ("rocm7.2", "", "this Vaporbrush brings no build for AMD (ROCm) on {system}. The processor paints."),
        ("xpu", "", "this Vaporbrush brings no build for Intel (XPU) on {system}. The processor paints."),
        ("cu126", "", "this Vaporbrush brings no build for NVIDIA (CUDA 12.6) on {system}. The processor paints."),
        ("cu999", "", "this Vaporbrush brings no build for cu999 on {system}. The processor paints."),
        ("", "its driver is 470, and cu130 needs 580 or newer: update the driver",
         "its driver is 470, and cu130 needs 580 or newer: update the driver. The processor paints."),
    ],
)  # fmt: skip
def test_a_gpu_for_which_there_is_no_build_is_one_sentence_until_it_has_been_read(painter, index, build, why, sentence):
    first = Host(painter, index)
    first.page.press()
    first.until_ended()
    system = kits.this_system()
    told = gpu_told(painter.kit(), system, json.dumps({"build": build, "gpu": "Radeon", "why": why}))
    host = Host(painter, index)
    host.page.take(told)
    view = host.page.view()
    assert (view.mode, view.title, view.text) == ("strip", "Radeon is not used", sentence.format(system=system))
    assert (view.action, view.dismiss) == ("", "Close")
    host.page.press()  # there is no button, and nothing begins
    assert not host.page.running
    host.page.dismiss()
    assert host.page.view().mode == "hidden"
    again = Host(painter, index)
    again.page.take(told)
    assert again.page.view().mode == "hidden"


def test_no_gpu_and_an_older_painters_answer_say_nothing(painter):
    for answer in ({"build": "", "gpu": "", "why": ""}, {"build": "", "gpu": "Radeon"}):
        assert gpu_told(painter.kit(), kits.this_system(), json.dumps(answer)) is None
    found = gpu_told(painter.kit(), kits.this_system(), json.dumps({"build": "cu130", "gpu": "GeForce"}))
    assert found == GpuFound("cuda", "GeForce")


def test_a_damaged_painter_is_repaired_by_one_click(painter, index):
    first = Host(painter, index)
    first.page.press()
    first.until_ended()
    shutil.rmtree(installed(painter.home).environment)
    host = Host(painter, index)
    assert (host.page.view().mode, host.page.view().title) == ("full", "The painter is damaged")
    host.page.press()
    assert host.until_ended()
    assert installed(painter.home).whole


def test_on_a_system_without_a_painter_the_page_shows_itself_and_says_why(painter, index, monkeypatch):
    monkeypatch.setattr("vaporbrush_host.installer.page.this_system", lambda: "macos-x86_64")
    host = Host(painter, index)
    assert host.page.introduce()
    view = host.page.view()
    assert (view.mode, view.title, view.action) == ("strip", "The painter cannot be installed here", "")
    assert "Intel" in view.text


def test_a_plug_in_that_the_command_line_installed_has_no_page(painter, index, tmp_path):
    assert Host(painter, index, tmp_path).page.view().mode == "hidden"


def test_in_a_flatpak_the_page_says_what_that_means_and_the_painter_is_started_inside(
    painter, index, tmp_path, monkeypatch
):
    monkeypatch.setattr(places, "in_flatpak", lambda: True)
    monkeypatch.setenv("UV_TOOL_DIR", str(tmp_path / "tools"))
    tool = tmp_path / "tools" / "vaporbrush"  # outside of the sandbox, from where it cannot be started
    (tool / "lib/python3.13/site-packages/vaporbrush_daemon").mkdir(parents=True)
    (tool / "bin").mkdir()
    (tool / "bin" / "python").write_bytes(b"")
    host = Host(painter, index)
    view = host.page.view()
    assert view.mode == "full"
    for words in ("runs in a Flatpak", "end with it", "A GPU may be out of its reach", "as a service of yours"):
        assert words in view.text
    host.page.press()
    assert host.until_ended()
    found = installed(painter.home)
    assert (found.confined, found.whole) == ("flatpak", True)
    (painter.home / "painter.json").unlink()
    shutil.rmtree(painter.home / "painter")
    outside = ("/not/seen/from/inside/python", "-m", "vaporbrush_daemon")
    Connection(("ipc:///nowhere",), "token", start=outside).write(painter.home)
    assert Host(painter, index).page.view().mode == "full"  # a service that does not answer is not there


def test_a_painter_that_uv_has_installed_is_used_and_none_is_offered(painter, index, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_TOOL_DIR", str(tmp_path / "tools"))
    tool = tmp_path / "tools" / "vaporbrush"
    (tool / "lib/python3.13/site-packages/vaporbrush_daemon").mkdir(parents=True)
    (tool / "bin").mkdir()
    (tool / "bin" / "python").write_bytes(b"")
    host = Host(painter, index)
    assert (host.page.state, host.page.view().mode) == ("elsewhere", "hidden")
    shutil.rmtree(tool)
    assert Host(painter, index).page.view().action.startswith("Install the painter")


def test_removed_it_offers_itself_again(painter, index):
    host = Host(painter, index)
    host.page.press()
    host.until_ended()
    host.page.remove(everything=False)
    view = host.page.view()
    assert (view.mode, view.title, view.running, view.stopping) == ("full", "Removing the painter", True, True)
    assert not host.page.removable
    assert host.until_removed() == Removed("The painter is gone.")
    view = host.page.view()
    assert (view.action.startswith("Install the painter"), view.line) == (True, "The painter is gone.")
    host.page.press()
    assert host.until_ended()
    assert host.page.view().mode == "hidden"


def test_a_plug_in_without_a_painter_of_its_own_still_says_that_the_other_ones_is_gone(painter, index, tmp_path):
    first = Host(painter, index)
    first.page.press()
    first.until_ended()
    host = Host(painter, index, tmp_path)  # which the command line copied
    host.page.remove(everything=True)
    host.until_removed()
    view = host.page.view()
    assert (view.mode, view.title, view.dismissable, view.dismiss) == ("strip", "The painter is gone.", True, "Close")
    host.page.dismiss()
    assert host.page.view().mode == "hidden"
