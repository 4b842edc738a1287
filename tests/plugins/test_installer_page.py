"""What the installer's first page says in every state, and what its buttons do; the same in Krita and in GIMP."""

import queue
import shutil

from support.package_index import Fault
from vaporbrush_host.installer import places
from vaporbrush_host.installer.page import GpuFound, Page
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


def test_a_plug_in_that_the_command_line_installed_has_no_page(painter, index, tmp_path):
    assert Host(painter, index, tmp_path).page.view().mode == "hidden"


def test_removed_it_offers_itself_again(painter, index):
    host = Host(painter, index)
    host.page.press()
    host.until_ended()
    assert host.page.uninstall(everything=False) == "The painter is gone."
    assert host.page.view().action.startswith("Install the painter")
