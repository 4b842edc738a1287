"""The download survives what servers do, and importing a file never runs what is in it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.server
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import VGG19_Weights

from support.daemon import ended, serving
from vaporbrush_daemon import weights
from vaporbrush_daemon.engine.convert import convert, shapes
from vaporbrush_daemon.workers import pipe
from vaporbrush_daemon.workers.messages import Event, Failed, Progressed
from vaporbrush_protocol.errors import VaporbrushError

DATA = bytes(range(256)) * 4096  # 1 MiB
STALL_S = 0.5
RANGES = ("ranges", "cut", "stall", "trickle", "longer")
JOB = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


class Server(http.server.ThreadingHTTPServer):
    """Serves DATA; each request takes the next behaviour of the script, the last one for ever.

    "whole", "ranges", "cut N" (ends after N bytes), "stall N" (then mute), "trickle", "corrupt", "longer", or a status.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = ["ranges"]
        self.asked: list[str | None] = []
        self.ended = threading.Event()

    def source(self, data: bytes = DATA) -> weights.Source:
        url = f"http://127.0.0.1:{self.server_port}/model.pth"
        return weights.Source("vgg19", url, len(data), hashlib.sha256(data).hexdigest())


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Server = self.server
        server.asked.append(self.headers["Range"])
        what, _, count = (server.script.pop(0) if len(server.script) > 1 else server.script[0]).partition(" ")
        if what.isdigit():
            self.send_error(int(what))
            return
        data = {"corrupt": DATA[:-1] + b"x", "longer": DATA + b"more"}.get(what, DATA)
        start = int((self.headers["Range"] or "bytes=0-")[6:-1]) if what in RANGES else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if what == "trickle":
            with contextlib.suppress(OSError):  # whoever asked has given up
                for byte in data[start:]:
                    self.wfile.write(bytes([byte]))
                    server.ended.wait(STALL_S / 5)
            return
        self.wfile.write(data[start:][: int(count)] if count else data[start:])
        if what == "stall":
            self.wfile.flush()
            server.ended.wait(60)
        if count:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Not into the test's output."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.02,))
        thread.start()
        yield serving
        serving.ended.set()
        serving.shutdown()
        thread.join()


def fetch(source: weights.Source, pauses: list[float] | None = None) -> tuple[Path, list[tuple[int, int]]]:
    reports: list[tuple[int, int]] = []
    path = weights.fetch(
        lambda done, size: reports.append((done, size)),
        source,
        stall_s=STALL_S,
        sleep=([] if pauses is None else pauses).append,
        convert=shutil.copy,
    )
    return path, reports


def left_over(home: Path) -> list[str]:
    return sorted(file.name for file in (home / "models").iterdir())


def test_a_download_ends_with_the_kept_file_and_nothing_else(home: Path, server: Server) -> None:
    path, reports = fetch(server.source())
    assert path == home / "models" / "vgg19.safetensors"
    assert path.read_bytes() == DATA
    assert left_over(home) == ["vgg19.safetensors"]
    assert reports[-1] == (len(DATA), len(DATA))
    assert server.asked == [None]


@pytest.mark.parametrize("interruption", ["cut 300000", "stall 300000"])
def test_a_download_goes_on_where_the_server_left_off(home: Path, server: Server, interruption: str) -> None:
    server.script = [interruption, "ranges"]
    path, _ = fetch(server.source())
    assert path.read_bytes() == DATA
    assert server.asked == [None, "bytes=300000-"]


def test_a_second_command_resumes_what_the_first_left(home: Path, server: Server) -> None:
    part = home / "models" / "model.pth.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA[:777_777])
    path, _ = fetch(server.source())
    assert path.read_bytes() == DATA
    assert server.asked == ["bytes=777777-"]


def test_a_server_that_ignores_ranges_makes_it_start_again(home: Path, server: Server) -> None:
    server.script = ["cut 300000", "whole"]
    path, _ = fetch(server.source())
    assert path.read_bytes() == DATA


def test_a_server_that_ignores_ranges_and_always_cuts_is_given_up(home: Path, server: Server) -> None:
    server.script = ["whole 300000"]
    with pytest.raises(VaporbrushError, match="ended early") as caught:
        fetch(server.source())
    assert caught.value.code == "download_failed"
    assert len(server.asked) == 1 + weights.ATTEMPTS


def test_a_damaged_download_is_refused_and_not_kept(home: Path, server: Server) -> None:
    server.script = ["corrupt"]
    with pytest.raises(VaporbrushError, match="sha256"):
        fetch(server.source())
    assert not weights.kept().exists()
    assert (home / "models" / "model.pth.part").stat().st_size == 0


def test_an_old_part_that_is_damaged_costs_one_more_download_and_no_error(home: Path, server: Server) -> None:
    part = home / "models" / "model.pth.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(500_000))
    path, _ = fetch(server.source())
    assert path.read_bytes() == DATA
    assert server.asked == ["bytes=500000-", None]


def test_a_part_that_is_complete_is_not_asked_for_again(home: Path, server: Server) -> None:
    part = home / "models" / "model.pth.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA)
    fetch(server.source())
    assert server.asked == []


def test_a_part_that_is_too_long_is_thrown_away(home: Path, server: Server) -> None:
    server.script = ["longer"]
    with pytest.raises(VaporbrushError, match="larger than"):
        fetch(server.source())
    assert (home / "models" / "model.pth.part").stat().st_size == 0


def test_a_server_that_trickles_is_given_up_though_each_connection_brings_something(home: Path, server: Server) -> None:
    server.script = ["trickle"] * weights.ATTEMPTS
    with pytest.raises(VaporbrushError, match="less than 4096 bytes a second") as caught:
        fetch(server.source())
    assert (caught.value.code, len(server.asked)) == ("download_failed", weights.ATTEMPTS)


def test_a_busy_server_is_asked_again_with_growing_pauses(home: Path, server: Server) -> None:
    server.script = ["503", "503", "503", "ranges"]
    pauses: list[float] = []
    path, _ = fetch(server.source(), pauses)
    assert path.read_bytes() == DATA
    assert pauses == [1, 2, 4]


def test_a_range_that_the_server_refuses_starts_again(home: Path, server: Server) -> None:
    server.script = ["cut 1000", "416", "ranges"]
    path, _ = fetch(server.source())
    assert path.read_bytes() == DATA
    assert server.asked == [None, "bytes=1000-", None]


def test_a_file_that_is_gone_is_reported_at_once(home: Path, server: Server) -> None:
    server.script = ["404"]
    with pytest.raises(VaporbrushError, match="404"):
        fetch(server.source())
    assert len(server.asked) == 1


def test_without_a_network_the_sentence_names_the_other_way(home: Path) -> None:
    nobody = weights.Source("vgg19", "http://127.0.0.1:1/model.pth", 10, "0" * 64)
    with pytest.raises(VaporbrushError, match="weights import"):
        fetch(nobody)


def test_two_downloads_at_once_do_not_spoil_each_other(home: Path, server: Server) -> None:
    server.script = ["stall 1000", "ranges"]
    first = threading.Thread(target=lambda: fetch(server.source()))
    first.start()
    while not server.asked:
        time.sleep(0.01)
    with pytest.raises(VaporbrushError) as caught:
        fetch(server.source())
    assert caught.value.code == "busy"
    first.join()
    assert weights.kept().read_bytes() == DATA


def test_too_little_disk_space_is_reported_before_anything_is_asked(home: Path, server: Server) -> None:
    huge = weights.Source("vgg19", server.source().url, 2**62, "0" * 64)
    with pytest.raises(VaporbrushError, match="MB free") as caught:
        fetch(huge)
    assert caught.value.code == "disk_full"
    assert server.asked == []


def worker(server: Server) -> subprocess.Popen[bytes]:
    """The daemon's download process, with the loopback server in place of the real one."""
    source = server.source()
    program = (
        "import sys; from vaporbrush_daemon.weights import Source; from vaporbrush_daemon.workers import downloader;"
        f"source = Source('vgg19', {source.url!r}, {source.size}, {source.sha256!r});"
        f"sys.exit(downloader.download('{JOB}', source))"
    )
    return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def events(process: subprocess.Popen[bytes]) -> Iterator[Event]:
    return map(pipe.unpack_event, pipe.bodies(process.stdout))


def test_the_daemons_download_process_tells_how_far_it_is_and_ends_with_its_stdin(home: Path, server: Server) -> None:
    server.script = ["stall 300000"]
    with worker(server) as process:
        told = next(event for event in events(process) if isinstance(event, Progressed))
        assert told.job == JOB
        assert (told.progress.phase, told.progress.steps) == ("downloading", len(DATA))
        process.stdin.close()
        assert process.wait(20) == 0


def test_a_failed_download_is_an_event_and_not_a_traceback(home: Path, server: Server) -> None:
    server.script = ["404"]
    with worker(server) as process:
        last = list(events(process))[-1]
        assert process.wait(20) == 1
    assert isinstance(last, Failed)
    assert (last.job, last.error.code) == (JOB, "download_failed")


# ── imports ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def tensors(dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {name: torch.randn(shape, generator=generator).to(dtype) for name, shape in shapes()}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with everything that torchvision's has, the classifier small."""
    path = tmp_path_factory.mktemp("weights") / "full.pth"
    rest = {"features.30.weight": torch.zeros(512, 512, 3, 3), "classifier.0.weight": torch.zeros(10, 10)}
    torch.save({**tensors(), **rest}, path)
    return path


def test_a_full_file_is_kept_as_features_only(home: Path, full: Path) -> None:
    weights.import_file(full)
    found = load_file(weights.kept())
    assert list(found) == sorted(found)
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == dict(shapes())
    assert sum(tensor.numel() for tensor in found.values()) == 12_944_960
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors().items())
    assert weights.known()[0].present


def test_torchvisions_old_file_format_and_safetensors_are_read_too(home: Path, tmp_path: Path) -> None:
    torch.save(tensors(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(tensors(torch.float16), tmp_path / "half.safetensors")
    for name, dtype in {"old.pth": torch.float32, "half.safetensors": torch.float16}.items():
        weights.import_file(tmp_path / name)
        assert {tensor.dtype for tensor in load_file(weights.kept()).values()} == {dtype}


def test_the_real_weights_are_imported(home: Path, vgg19_file: Path) -> None:
    weights.import_file(vgg19_file)
    assert 20e6 < weights.known()[0].size < 60e6


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.mark),)


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(home: Path, tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    torch.save({**tensors(), "extra": Bomb(mark)}, tmp_path / "bomb.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Bomb(mark), protocol=2))
    for name in ("bomb.pth", "bare.pth"):
        with pytest.raises(VaporbrushError, match=r"never executed|neither a PyTorch") as caught:
            weights.import_file(tmp_path / name)
        assert caught.value.code == "weights_corrupt"
    assert not mark.exists()
    assert not weights.kept().exists()


def test_what_is_not_vgg19_is_named(home: Path, tmp_path: Path) -> None:
    wrong_shape = {**tensors(), "features.0.weight": torch.zeros(64, 3, 5, 5)}
    not_a_number = {**tensors(), "features.5.bias": torch.full((128,), float("nan"))}
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    torch.save(wrong_shape, tmp_path / "shape.pth")
    torch.save(not_a_number, tmp_path / "nan.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("hello, I am text\n" * 20)
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "shape.pth").read_bytes()[:100_000])
    (tmp_path / "cut.safetensors").write_bytes((10**6).to_bytes(8, "little") + b'{"a":')
    sentences = {
        "other.pth": "no `features.0.weight`",
        "shape.pth": "(64, 3, 5, 5)",
        "nan.pth": "not finite",
        "list.pth": "a list",
    }
    for path in sorted(tmp_path.iterdir()):
        if path.is_file():
            with pytest.raises(VaporbrushError) as caught:
                convert(path, weights.kept())
            assert sentences.get(path.name, "VGG19") in caught.value.message
            assert caught.value.message.count("\n") == 0
    assert not weights.kept().exists()


def test_a_broken_import_leaves_the_weights_that_are_there(home: Path, full: Path, tmp_path: Path) -> None:
    weights.import_file(full)
    before = weights.kept().read_bytes()
    (tmp_path / "bad.pth").write_text("no")
    with pytest.raises(VaporbrushError):
        weights.import_file(tmp_path / "bad.pth")
    assert weights.kept().read_bytes() == before
    assert left_over(home) == ["vgg19.safetensors"]


def test_the_variable_names_another_file_and_says_when_it_is_missing(home: Path, full: Path) -> None:
    there = weights.known({weights.VARIABLE: str(full)})[0]
    assert there.present
    assert there.advice == ""
    gone = weights.known({weights.VARIABLE: "/nowhere/x.pth"})[0]
    assert "VAPORBRUSH_WEIGHTS names /nowhere/x.pth" in gone.advice
    assert "weights fetch" in weights.known({})[0].advice


def test_the_manifest_is_torchvisions() -> None:
    """The front may not import torchvision, so address, size and hash stand in `weights` as numbers."""
    theirs = VGG19_Weights.IMAGENET1K_V1
    assert theirs.url == weights.VGG19.url
    assert round(weights.VGG19.size / 2**20, 3) == theirs.meta["_file_size"]
    assert weights.VGG19.sha256.startswith(weights.VGG19.url.rpartition("-")[2].removesuffix(".pth"))


def test_the_daemon_and_its_download_process_understand_each_other(home: Path) -> None:
    """The command that the daemon really runs; another download in its way keeps it from asking the real server."""
    part = home / "models" / f"{weights.VGG19.url.rpartition('/')[2]}.part"
    part.parent.mkdir(parents=True)
    with part.open("ab") as file, serving(home, weights="/nowhere.pth") as daemon, daemon.client() as client:
        fcntl.flock(file, fcntl.LOCK_EX)
        job = ended(client, client.fetch_model("vgg19"))
        assert job.state == "failed"
        assert job.error.code == "busy", job.error
        assert str(part) in job.error.message
