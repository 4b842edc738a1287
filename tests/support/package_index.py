"""A package index on loopback with faults by order: cut, stalled, truncated, changed, missing; and a proxy."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass
class Fault:
    """What happens to one answer: how much of a file is sent, and what then. Used once, or always."""

    name: str  # part of the file's name
    at: float = 1.0  # of the whole file
    stall_s: float = 0.0
    changed: bool = False
    status: int = 0
    times: int = 1


@dataclass
class Served:
    """What was asked for."""

    path: str
    start: int
    sent: int = 0


@dataclass
class PackageIndex:
    """Serves a folder of wheels as `/simple/PROJECT/` and `/files/NAME`."""

    folder: Path
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)
    html: bool = False
    pace_s: float = 0.0  # per block of 64 KiB

    def sent(self, name: str) -> int:
        """Bytes sent of the files whose names begin so."""
        return sum(one.sent for one in self.served if one.path.rsplit("/", 1)[-1].startswith(name))


class _Handler(BaseHTTPRequestHandler):
    index: PackageIndex
    protocol_version = "HTTP/1.0"

    def log_message(self, *_args):
        pass

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)  # as a proxy, whole addresses are asked for
        parts = path.strip("/").split("/")
        if parts[0] == "simple":
            self._page(parts[1])
        else:
            self._file(path, self.index.folder / parts[-1])

    def _page(self, project):
        names = [
            one.name
            for one in self.index.folder.glob("*.whl")
            if one.name.split("-")[0].replace("_", "-").lower() == project
        ]
        self.index.served.append(Served(f"/simple/{project}", 0))
        if self.index.html:
            links = "".join(f'<a href="../../files/{one}#sha256=0">{one}</a><br>' for one in names)
            body, kind = f"<html><body>{links}</body></html>", "text/html"
        else:
            files = [{"filename": one, "url": f"../../files/{one}", "hashes": {}} for one in names]
            body, kind = json.dumps({"files": files}), "application/vnd.pypi.simple.v1+json"
        self._head(200 if names else 404, len(body), kind)
        self.wfile.write(body.encode())

    def _file(self, path, file):
        fault = next((one for one in self.index.faults if one.name in file.name and one.times), None)
        if fault:
            fault.times -= 1
        if not file.is_file() or (fault and fault.status):
            self._head(fault.status if fault and fault.status else 404, 0, "text/plain")
            return
        data = file.read_bytes()
        size = len(data)
        if fault and fault.changed:
            data = data[:-100] + bytes(100)
        wanted = self.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        record = Served(path, start)
        self.index.served.append(record)
        self._head(206 if wanted else 200, size - start, "application/octet-stream", start, size)
        end = int(size * fault.at) if fault else size
        for at in range(start, end, 65536):
            block = data[at : min(at + 65536, end)]
            self.wfile.write(block)
            record.sent += len(block)
            time.sleep(self.index.pace_s)
        if fault and fault.stall_s:
            self.wfile.flush()
            time.sleep(fault.stall_s)

    def _head(self, status, length, kind, start=0, size=0):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()


@contextmanager
def serving(folder: Path) -> Iterator[PackageIndex]:
    """An index on loopback."""
    index = PackageIndex(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"index": index}))
    server.daemon_threads = True
    server.handle_error = lambda *_args: None  # clients that leave in the middle are what is tested
    index.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_wheel(folder: Path, project: str, version: str, files: dict[str, bytes], tag: str = "py3-none-any") -> Path:
    """A wheel with these files; those under `.data/scripts/` get the executable bit."""
    name = project.replace("-", "_")
    info = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    record = "".join(f"{one},sha256={_record_hash(data)},{len(data)}\n" for one, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as wheel:
        for one, data in files.items():
            entry = zipfile.ZipInfo(one, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100755 if ".data/scripts/" in one else 0o100644) << 16
            wheel.writestr(entry, data)
    return path


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def sha256(path: Path) -> str:
    """A file's hash."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
