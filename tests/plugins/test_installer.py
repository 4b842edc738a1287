"""Installing the painter from inside a host: every fault of the way, on a loopback index, with the real uv."""

import os
import stat
import sys
import zipfile

import pytest

from support.package_index import Fault
from support.small_painter import ready, simple, state
from vaporbrush_host.installer import kit as kits
from vaporbrush_host.installer import places, plan
from vaporbrush_host.installer.download import Web
from vaporbrush_host.installer.index import Index
from vaporbrush_host.installer.page import Page
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.installation import installed

STEPS = tuple(plan.STEPS)


def test_one_click_installs_a_painter_that_nobody_else_can_look_into(painter, index):
    os.umask(0)
    try:
        last, reports = painter.install(simple(index))
    finally:
        os.umask(0o022)
    assert (last.stage, last.error) == ("done", None)
    ready(painter)
    steps = list(dict.fromkeys(one.step for one in reports))
    assert steps == list(STEPS)
    assert any("KB of" in one.line or "MB of" in one.line for one in reports if one.step == "packages")
    for folder in (painter.home, painter.home / "painter", painter.home / "painter" / "environments"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_before_the_click_the_page_says_bytes_sources_and_space(painter):
    offer = plan.offer(painter.kit(), kits.this_system(), "cpu", ("PyPI", "PyTorch"))
    kit = painter.kit()
    fetched = kit.uv[kits.this_system()].size + kit.lock(kits.this_system(), "cpu").most_bytes()
    assert offer.fetch_bytes == fetched
    assert "about" in offer.title
    assert "PyPI and PyTorch" in offer.describe(10**9)
    assert "1.0 GB are free" in offer.describe(10**9)


def test_cut_at_every_tenth_it_goes_on_where_it_was(painter, index):
    index.faults += [Fault("brushes", at=tenth / 10) for tenth in range(1, 10)]
    last, _ = painter.install(simple(index), source=Web(Index(simple(index)), pause=lambda _s: None))
    assert last.stage == "done"
    ready(painter)
    size = (painter.wheels / "brushes-2.0-py3-none-any.whl").stat().st_size
    assert index.sent("brushes") == size  # nothing came twice


@pytest.mark.parametrize("tenth", range(0, 10, 3))
def test_cancelled_on_the_way_the_next_click_fetches_only_the_rest(painter, index, tenth):
    from vaporbrush_host.installer.work import Install

    index.pace_s = 0.02
    kit = painter.kit()
    want = places.Want(version="1.0.0", backend="cpu", root=painter.home / "painter", index=simple(index))
    size = kit.lock(kits.this_system(), "cpu").most_bytes()
    reports = []
    install = Install(kit, want, kits.this_system(), painter.home, reports.append)

    def tell(report):
        reports.append(report)
        if report.step == "packages" and (report.fraction or 0) >= tenth / 10:
            install.cancel()

    install._post = tell
    install.run()
    assert reports[-1].stage == "cancelled"
    assert "kept" in reports[-1].line
    assert state(painter) == "unfinished"
    index.pace_s = 0
    assert painter.install(simple(index))[0].stage == "done"
    ready(painter)
    assert index.sent("brushes") + index.sent("torch_build") <= size + 65536 * 8  # what was on its way when it was cut


def test_a_stalled_download_goes_on_by_another_connection(painter, index):
    index.faults.append(Fault("brushes", at=0.5, stall_s=3.0))
    last, _ = painter.install(simple(index), source=Web(Index(simple(index)), stall_s=0.3, pause=lambda _s: None))
    assert last.stage == "done"
    assert any(one.start > 0 for one in index.served)
    ready(painter)


def test_a_server_that_always_ends_too_early_is_reported_and_later_finished(painter, index):
    index.faults.append(Fault("brushes", at=0.5, times=99))
    source = Web(Index(simple(index)), pause=lambda _s: None)
    last, _ = painter.install(simple(index), source=source)
    assert last.stage == "failed"
    assert last.error.code == "download_failed"
    assert "brushes-2.0-py3-none-any.whl" in last.error.message
    assert state(painter) == "unfinished"
    index.faults.clear()
    assert painter.install(simple(index))[0].stage == "done"
    ready(painter)


@pytest.mark.parametrize("name", ["brushes", "torch_build", "uv"])
def test_nothing_that_does_not_match_its_hash_is_used(painter, index, name):
    index.faults.append(Fault(name, changed=True, times=99))
    last, _ = painter.install(simple(index))
    assert (last.stage, last.error.code) == ("failed", "conflict")
    assert "Nothing of it was used" in last.error.message
    assert not list((painter.home / "painter" / "environments").glob("*"))
    assert bool(list((painter.home / "painter" / "uv").glob("*"))) == (name != "uv")
    index.faults.clear()
    assert painter.install(simple(index))[0].stage == "done"
    ready(painter)


def test_a_spoiled_part_of_an_earlier_attempt_is_fetched_anew(painter, index):
    downloads = painter.home / "painter" / "downloads"
    places.prepare(painter.home / "painter", painter.system)
    (downloads / "brushes-2.0-py3-none-any.whl.part").write_bytes(b"spoiled" * 100)
    assert painter.install(simple(index))[0].stage == "done"
    ready(painter)


def test_an_index_without_the_file_is_named(painter, index):
    (painter.wheels / "brushes-2.0-py3-none-any.whl").rename(painter.wheels / "brushes-3.0-py3-none-any.whl")
    last, _ = painter.install(simple(index))
    assert last.error.message == f"The index {simple(index)} does not have brushes-2.0-py3-none-any.whl."
    (painter.wheels / "brushes-3.0-py3-none-any.whl").rename(painter.wheels / "brushes-2.0-py3-none-any.whl")
    assert painter.install(simple(index))[0].stage == "done"
    ready(painter)


@pytest.mark.parametrize("address", ["file:///etc", "ftp://example.org/simple"])
def test_an_index_that_is_no_web_address_is_refused(painter, address):
    last, _ = painter.install(address)
    assert (last.stage, last.error.code) == ("failed", "download_failed")


def test_an_index_of_html_pages_serves_as_well(painter, index):
    index.html = True
    assert painter.install(simple(index))[0].stage == "done"
    ready(painter)


def test_a_proxy_is_asked_for_everything(painter, index):
    last, _ = painter.install("http://packages.invalid/simple", proxy=index.url)
    assert last.stage == "done"
    assert index.sent("brushes")
    ready(painter)


def test_without_a_network_the_sentence_says_what_to_do(painter):
    last, _ = painter.install("", source=Web(Index(), pause=lambda _s: None))
    assert last.error.code == "download_failed"
    assert "choose a file" in last.error.message


def test_offline_the_sentence_says_so(painter):
    last, _ = painter.install(
        "http://packages.invalid/simple", source=Web(Index("http://packages.invalid/simple"), pause=lambda _s: None)
    )
    assert "could not be fetched from packages.invalid: its address cannot be found" in last.error.message
    assert "may be offline" in last.error.message


def test_a_bundle_installs_without_a_network(painter, tmp_path):
    bundle = tmp_path / "bundle.zip"
    with zipfile.ZipFile(bundle, "w") as archive:
        for wheel in painter.wheels.iterdir():
            archive.write(wheel, wheel.name)
    assert painter.install("http://nowhere.invalid/", bundle=str(bundle))[0].stage == "done"
    ready(painter)


def test_a_bundle_for_another_system_is_reported(painter, tmp_path):
    bundle = tmp_path / "bundle.zip"
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("readme", "nothing")
    last, _ = painter.install("", bundle=str(bundle))
    assert last.stage == "failed"
    assert "another system" in last.error.message


def test_too_small_a_disk_is_reported_before_anything_is_fetched(painter, index):
    last, _ = painter.install(simple(index), free=lambda _path: 1000)
    assert last.error.code == "disk_full"
    assert "1 KB are free" in last.error.message
    assert not index.served


@pytest.mark.parametrize("root", ["/proc/no", "/dev/null/no"])
def test_a_folder_that_cannot_be_written_is_reported(painter, index, root):
    from pathlib import Path

    last, _ = painter.install(simple(index), root=Path(root), free=lambda _path: 10**12)
    assert last.stage == "failed"
    assert "Choose another folder" in last.error.message
    assert painter.install(simple(index))[0].stage == "done"
    ready(painter)


def test_an_environment_that_somebody_deleted_is_repaired(painter, index):
    import shutil

    painter.install(simple(index))
    shutil.rmtree(installed(painter.home).environment)
    assert state(painter) == "damaged"
    assert plan.MOVES["damaged"][0] == "repair"
    assert painter.install(simple(index))[0].stage == "done"
    ready(painter)


def test_a_newer_zip_offers_itself_and_an_older_one_does_not(painter, index):
    painter.install(simple(index))
    newer, older = painter.release("1.10.0"), painter.release("0.9.0")
    assert state(painter, newer) == "outdated"
    assert state(painter, older) == "ready"
    assert painter.install(simple(index), plugin=newer)[0].stage == "done"
    assert installed(painter.home).version == "1.10.0"
    ready(painter)


def test_an_older_zip_leaves_a_newer_painter_alone_even_one_whose_change_was_cut(painter, index, monkeypatch):
    newer = painter.release("1.1.0")
    painter.install(simple(index), plugin=newer)
    first = installed(painter.home)
    monkeypatch.setenv("SMALL_PAINTER_ILL", "1")
    assert painter.install(simple(index), plugin=newer, backend="cuda")[0].stage == "failed"
    monkeypatch.delenv("SMALL_PAINTER_ILL")
    assert state(painter, newer) == "unfinished"

    page = Page(painter.plugin, lambda _event: None, by="a test", home=painter.home)  # of 1.0.0
    page.resume()
    assert not page.running
    assert page.view().mode == "hidden"
    page.press()
    assert installed(painter.home) == first
    assert first.whole

    assert painter.install(simple(index), plugin=newer, backend="cuda")[0].stage == "done"
    assert (installed(painter.home).version, installed(painter.home).backend) == ("1.1.0", "cuda")


def test_a_build_that_doctor_finds_ill_never_takes_the_old_ones_place(painter, index, monkeypatch):
    painter.install(simple(index))
    monkeypatch.setenv("SMALL_PAINTER_ILL", "1")
    last, _ = painter.install(simple(index), backend="cuda")
    assert last.stage == "failed"
    monkeypatch.delenv("SMALL_PAINTER_ILL")
    assert installed(painter.home).backend == "cpu"
    assert installed(painter.home).whole


def test_uninstalling_leaves_nothing_or_the_persons_own_files(painter, index):
    painter.install(simple(index))
    (painter.home / "styles").mkdir()
    (painter.home / "styles" / "mine.png").write_bytes(b"mine")
    assert places.uninstall(painter.home, everything=False) == []
    assert not (painter.home / "painter").exists()
    assert (painter.home / "styles" / "mine.png").exists()
    assert state(painter) == "absent"
    assert places.uninstall(painter.home, everything=True) == []
    assert not painter.home.exists()


def test_nothing_is_removed_while_a_program_installs(painter, index):
    painter.install(simple(index))
    lock = places.Lock(painter.home)
    assert lock.take()
    with pytest.raises(VaporbrushError, match="Another program is installing"):
        places.uninstall(painter.home, everything=True)
    lock.release()
    ready(painter)
    assert places.uninstall(painter.home, everything=True) == []


def test_a_daemon_that_another_way_installed_is_used_and_not_doubled(painter):
    from vaporbrush_protocol.endpoint import Connection

    Connection(("ipc:///nowhere",), "token", start=(sys.executable, "-m", "vaporbrush_daemon")).write(painter.home)
    assert state(painter) == "elsewhere"
    assert plan.MOVES["elsewhere"] == ()


@pytest.mark.parametrize(
    ("system", "word"),
    [("macos-x86_64", "Intel"), ("linux-x86_64-musl", "musl"), ("freebsd-x86_64", "freebsd-x86_64")],
)
def test_a_system_without_torch_is_reported_so(painter, system, word):
    assert word in kits.obstacle(painter.kit(), system)
    assert plan.state_of(places.look(painter.home, painter.kit(), system)) == "impossible"


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (("Linux", "x86_64", "glibc"), "linux-x86_64"),
        (("Linux", "aarch64", "glibc 2.41"), "linux-aarch64"),
        (("Linux", "x86_64", ""), "linux-x86_64-musl"),
        (("Windows", "AMD64", ""), "windows-x86_64"),
        (("Darwin", "arm64", ""), "macos-arm64"),
        (("Darwin", "x86_64", ""), "macos-x86_64"),
    ],
)
def test_every_system_has_a_name_in_the_kit(told, name):
    assert kits.system_name(*told) == name


def test_a_damaged_pointer_or_journal_counts_as_none(painter, index):
    painter.home.mkdir(parents=True)
    for name in ("painter.json", places.JOURNAL):
        for text in ("", "[]", "{}", '{"root": 1}', "[" * 5000):
            (painter.home / name).write_text(text)
            assert state(painter) == "absent"
    assert painter.install(simple(index))[0].stage == "done"
    ready(painter)
