"""A package index on loopback with faults by order: cut, stalled, truncated, changed, missing; and a proxy."""

from __future__ import annotations

import base64
import ctypes
import fcntl
import hashlib
import json
import socket
import ssl
import struct
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 1  # of Linux


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
    files_at: str = ""  # where pages say that the files are; empty: here
    moved_to: str = ""  # where every file is redirected to; empty: nowhere
    pace_s: float = 0.0  # per block of 64 KiB

    def sent(self, name: str) -> int:
        """Bytes sent of the files whose names begin so."""
        return sum(one.sent for one in self.served if one.path.rsplit("/", 1)[-1].startswith(name))


class _Handler(BaseHTTPRequestHandler):
    index: PackageIndex
    tls: ssl.SSLContext | None = None
    protocol_version = "HTTP/1.0"

    def setup(self):
        if self.tls is not None:
            self.request = self.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self):
        super().finish()
        self.request.close()

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
        at = self.index.files_at or "../.."
        if self.index.html:
            links = "".join(f'<a href="{at}/files/{one}#sha256=0">{one}</a><br>' for one in names)
            body, kind = f"<html><body>{links}</body></html>", "text/html"
        else:
            files = [{"filename": one, "url": f"{at}/files/{one}", "hashes": {}} for one in names]
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
        if self.index.moved_to:
            self.send_response(302)
            self.send_header("Location", f"{self.index.moved_to}/files/{file.name}")
            self.end_headers()
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


def _socket_of(pid: int) -> socket.socket:
    """A TCP socket in the network of a process, whose loopback is up afterwards. Only this thread goes there."""
    with Path(f"/proc/{pid}/ns/net").open() as space:
        if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    made = socket.socket()
    fcntl.ioctl(made, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    return made


@contextmanager
def serving(folder: Path, network_of: int | None = None, certificate: Path | None = None) -> Iterator[PackageIndex]:
    """An index on loopback; on the one that a process has, where its network is its own. With a certificate (and its
    key, in one PEM), by https.
    """
    index = PackageIndex(folder)
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    handler = type("Handler", (_Handler,), {"index": index, "tls": context})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler, bind_and_activate=network_of is None)
    if network_of is not None:
        server.socket.close()
        with ThreadPoolExecutor(1) as elsewhere:
            server.socket = elsewhere.submit(_socket_of, network_of).result()
        server.server_bind()
        server.server_activate()
    server.daemon_threads = True
    server.handle_error = lambda *_args: None  # clients that leave in the middle are what is tested
    index.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
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
