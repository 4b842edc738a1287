"""A private desktop in the Debian 13 root: X server, window manager, session bus, and the programs that run on it.

Everything lives in mount and process namespaces of its own, so that whatever happens (a test that fails, a Krita that
hangs, this process killed), every mount and every process is gone with it. The test's folder is bound at the same path
inside and outside: HOME, the daemon's socket and the files that both sides read have one name.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from hosts.root import Root

SCREEN = "1600x1000x24"
START_SECONDS = 60  # Xvfb and openbox need one; a loaded machine gets ten times more before we call it broken
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# A painter for tests in which it does not matter what is painted, as a daemon's setting.
GRADIENTS = {"worker_command": [sys.executable, "-P", "-m", "vaporbrush_daemon.workers.fake"]}
SMALLEST = 20  # px; toolkits keep smaller windows that nobody sees
WINDOW_LINE = re.compile(r'^\s+(0x[0-9a-f]+) "(.*)": \(.*\)\s+(\d+)x(\d+)\S*\s+\+(-?\d+)\+(-?\d+)$', re.MULTILINE)

# Runs as the namespace's process 1. `wait` in a loop also buries the orphans that programs leave behind.
INIT = """
Xvfb -displayfd 3 -screen 0 {screen} -nolisten tcp 3>'{folder}/display' 2>'{folder}/xvfb.log' &
while ! grep -q . '{folder}/display' 2>/dev/null; do sleep 0.05; done
export DISPLAY=:$(cat '{folder}/display')
openbox >'{folder}/openbox.log' 2>&1 &
echo ready >'{folder}/ready'
while :; do sleep 3600 & wait $!; done
"""


@dataclass(frozen=True)
class Window:
    """A window on the screen; position and size in pixels."""

    id: str
    title: str
    x: int
    y: int
    width: int
    height: int


class Desktop:
    """`with Desktop(root, folder) as desktop:` … `desktop.run(["krita", …])`, `desktop.shot(path)`.

    `folder` is private to this desktop; `home` (HOME of the programs) is `folder/home` unless given, and has to lie
    inside `folder`. In a `sandbox`, programs see the file by which they know that they are in a Flatpak. With
    `alone`, there is no network but a loopback of the desktop's own (`pid` names it; `support.package_index` serves).
    """

    def __init__(
        self,
        root: Root,
        folder: Path,
        *,
        home: Path | None = None,
        screen: str = SCREEN,
        sandbox: bool = False,
        alone: bool = False,
    ) -> None:
        self.root = root
        self.folder = folder.resolve()
        self.home = home or self.folder / "home"
        self.screen = screen
        self.sandbox = sandbox
        self._spaces = ["--mount", "--pid", *(["--net"] if alone else [])]
        self._holder: subprocess.Popen[bytes] | None = None
        self._processes: list[subprocess.Popen[str]] = []
        self._inner = 0
        self._display = ""

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.folder / "run").mkdir(mode=0o700, exist_ok=True)
        for stale in ("display", "ready"):
            (self.folder / stale).unlink(missing_ok=True)
        init = self.folder / "init.sh"
        init.write_text(INIT.format(screen=self.screen, folder=self.folder))
        inside = self.root.path
        script = []
        if self.sandbox:
            layer = self.folder / "layer"  # over the whole root, in this namespace only
            layer.mkdir()
            script += [
                f"mount -t tmpfs tmp '{layer}'",
                f"mkdir '{layer}/upper' '{layer}/work'",
                f"touch '{layer}/upper/.flatpak-info'",
                f"cd '{layer}'",  # the options of an overlay are short
                f"mount -t overlay tmp '{inside}' -o lowerdir='{inside}',upperdir=upper,workdir=work",
            ]
        if not self.root.is_system:
            script += [
                f"mount -t proc proc '{inside}/proc'",
                f"mount --rbind /sys '{inside}/sys'",
                f"mount --rbind /dev '{inside}/dev'",
                f"mount -t tmpfs -o mode=1777 tmp '{inside}/tmp'",
                f"mkdir -p '{inside}{self.folder}'",
                f"mount --bind '{self.folder}' '{inside}{self.folder}'",
            ]
        else:
            script.append("mount -t proc proc /proc")
        script.append(f"exec chroot '{inside}' /bin/sh '{init}'")
        unshare = ["unshare", *self._spaces, "--fork", "--kill-child"]
        if os.geteuid() != 0:
            unshare.append("--map-root-user")
        self._holder = subprocess.Popen(
            [*unshare, "/bin/sh", "-ec", "; ".join(script)],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while not (self.folder / "ready").exists():
            if self._holder.poll() is not None or time.monotonic() > deadline:
                self.close()
                log = self.folder / "xvfb.log"
                raise RuntimeError(f"The desktop did not start: {log.read_text() if log.exists() else 'no X server'}")
            time.sleep(0.05)
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text().split()
        self._inner = int(children[0])
        self._display = ":" + (self.folder / "display").read_text().strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The desktop's process 1, as it is called outside."""
        return self._inner

    def close(self) -> None:
        """End every process of the desktop; the mounts go with them."""
        if self._holder is not None:
            self._holder.send_signal(signal.SIGKILL)  # --kill-child takes process 1 along, and the kernel all others
            self._holder.wait()
            self._holder = None
        for process in self._processes:
            process.communicate()
        self._processes.clear()

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a program inside sees: nothing of ours but the locale."""
        return {
            "PATH": PATH,
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "USER": "root",
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "NO_AT_BRIDGE": "1",
            **({"DISPLAY": self._display} if self._display else {}),
            **(extra or {}),
        }

    def popen(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, log: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start a program inside; with `log`, what it prints goes to that file, else to pipes."""
        enter = [
            "nsenter",
            f"--target={self._inner}",
            *self._spaces,
            "--root",
            f"--wdns={self.folder}",
        ]  # the folder as it is called inside
        out = None if log is None else log.open("a")
        process = subprocess.Popen(
            [*enter, *argv],
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=out or subprocess.PIPE,
            stderr=out or subprocess.PIPE,
            text=True,
            errors="replace",
        )
        if out is not None:
            out.close()
        self._processes.append(process)
        return process

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, timeout_s: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside to its end. A program that does not end in time is killed, and that is an error."""
        process = self.popen(argv, env=env)
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{argv[0]} did not end within {timeout_s} s.\n{out[-4000:]}\n{err[-4000:]}") from None
        if check and process.returncode:
            raise AssertionError(f"{argv[0]} ended with {process.returncode}.\n{out[-4000:]}\n{err[-4000:]}")
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def shot(self, target: Path, *, window: str = "root") -> Path:
        """A screenshot of the screen (or of one window id) as a PNG at `target`, outside the root."""
        inner = self.folder / "shot.png"
        self.run(["import", "-silent", "-window", window, str(inner)])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(inner, target)
        return target

    def windows(self, title: str) -> list[Window]:
        """The windows (not the 1×1 helpers of toolkits) whose title matches the regular expression, topmost first."""
        tree = self.run(["xwininfo", "-root", "-tree"], check=False).stdout  # xdotool's search misses Krita's window
        found = [
            Window(wid, name, int(x), int(y), int(width), int(height))
            for wid, name, width, height, x, y in WINDOW_LINE.findall(tree)
        ]
        return [w for w in found if re.search(title, w.title) and w.width >= SMALLEST and w.height >= SMALLEST]

    def wait_for_window(self, title: str, timeout_s: float = 60) -> Window:
        """The first window of that title, as soon as it is there."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if found := self.windows(title):
                return found[0]
            time.sleep(0.2)
        raise AssertionError(f"No window named {title!r} within {timeout_s} s.")

    def close_window(self, window: Window) -> None:
        """Ask a program to close one of its windows, as its cross does. One that is closing already is no error.

        xdotool's `windowclose` destroys the window without a word, and GTK ends a program whose window is not there.
        """
        self.run(["wmctrl", "-i", "-c", window.id], check=False)

    def click(self, x: int, y: int, button: int = 1) -> None:
        """A mouse click at screen coordinates."""
        self.run(["xdotool", "mousemove", str(x), str(y), "sleep", "0.1", "click", str(button)])

    def type(self, text: str, *, after_s: float = 0) -> None:
        """A text to the focused window, so slowly that a busy machine hears every letter."""
        self.run(["xdotool", "sleep", f"{after_s:g}", "type", "--delay", "60", text])

    def type_line(self, text: str) -> None:
        """The same, and Return."""
        self.type(text)
        self.keys("Return")

    def keys(self, *names: str) -> None:
        """Key strokes to the focused window."""
        self.run(["xdotool", "key", *names])
