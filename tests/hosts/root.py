"""The Debian root in which the real Krita and GIMP run (`make hosts`).

Debian 12 and the usual CI images have neither GIMP 3 nor a current Krita, so a small Debian 13 is built once beside the
checkout's files and entered by chroot (`host.py`). Building is idempotent: a stamp in the root says from which package
list it was made; another list builds it anew, in a folder of its own that replaces the old one only when it is whole.
VAPORBRUSH_HOSTS_SUITE chooses newer programs: one of `SUITES`, each with a root of its own.

    python tests/hosts/root.py            build if necessary, verify, print the root's path
    python tests/hosts/root.py --check    only say whether it is there (exit code 0 or 1)
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE = Path("/var/cache/vaporbrush")
STAMP = ".vaporbrush-root.json"
QT5 = ("python3-pyqt5", "python3-pyqt5.sip", "libqt5svg5", "qt5-image-formats-plugins")
QT6 = ("python3-pyqt6", "python3-pyqt6.sip", "qt6-svg-plugins", "qt6-image-formats-plugins")
PACKAGES = (
    "breeze-icon-theme",
    "gimp",
    "gir1.2-gimp-3.0",
    "gir1.2-gtk-3.0",
    "python3-gi",
    "python3-gi-cairo",
    "adwaita-icon-theme",
    "xvfb",
    "xauth",
    "x11-utils",
    "xdotool",
    "wmctrl",
    "openbox",
    "imagemagick",
    "dbus",
    "dbus-x11",
    "dbus-user-session",
    "systemd",
    "fonts-dejavu",
    "python3",
    "locales-all",
    "strace",
    "gdb",
)
PROGRAMS = (
    "krita",
    "gimp",
    "gimp-console",
    "Xvfb",
    "xdotool",
    "wmctrl",
    "openbox",
    "import",
    "dbus-run-session",
    "xvfb-run",
)
NEWEST_BAD = {"krita": (5, 1), "gimp-console": (2, 99)}  # up to here the system's own program is too old


class RootError(Exception):
    """The root cannot be made; the sentence says what to do."""


@dataclass(frozen=True)
class Suite:
    """Which Debian the programs come from."""

    name: str
    base: str  # what debootstrap makes
    packages: tuple[str, ...]

    @property
    def recipe(self) -> str:
        """What the stamp compares: another package list is another root."""
        return hashlib.sha256("\n".join((self.name, *sorted(self.packages))).encode()).hexdigest()[:16]


SUITES = {
    one.name: one
    for one in (
        Suite("trixie", "trixie", ("krita", *PACKAGES, *QT5)),  # Krita 5.2, GIMP 3.0
        Suite("testing", "testing", ("krita", *PACKAGES, *QT5)),  # Krita 5.3, GIMP 3.2 in November 2026
        Suite("experimental", "sid", ("krita/experimental", "krita-data/experimental", *PACKAGES, *QT6)),  # Krita 6
    )
}


@dataclass(frozen=True)
class Root:
    """Where the programs live. `/` means that the system's own ones are new enough and no chroot is needed."""

    path: Path

    @property
    def is_system(self) -> bool:
        """Whether the programs are the system's own."""
        return self.path == Path("/")


def suite() -> Suite:
    """The one that is asked for."""
    name = os.environ.get("VAPORBRUSH_HOSTS_SUITE", "trixie")
    if name not in SUITES:
        raise RootError(f"VAPORBRUSH_HOSTS_SUITE is {name!r}: choose one of {', '.join(SUITES)}.")
    return SUITES[name]


def mirror_from_sources(texts: list[str]) -> str | None:
    """The first Debian archive (not security, not a third party's) named by apt sources, deb822 or one-line."""
    for text in texts:
        for uri, suites in (*_deb822(text), *_one_line(text)):
            plain = uri.startswith(("http://", "https://"))
            if plain and uri.rstrip("/").endswith("/debian") and not any("security" in s for s in suites):
                return uri.rstrip("/")
    return None


def _deb822(text: str) -> Iterator[tuple[str, list[str]]]:
    for stanza in text.split("\n\n"):
        fields = {}
        for line in stanza.splitlines():
            key, colon, value = line.partition(":")
            if colon and not line.startswith(("#", " ", "\t")):
                fields[key.strip().lower()] = value.split()
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
            for uri in fields.get("uris", []):
                yield uri, fields.get("suites", [])


def _one_line(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if words[:1] != ["deb"]:
            continue
        rest = " ".join(words[1:])
        if rest.startswith("["):
            rest = rest.partition("]")[2]
        uri, *suite = rest.split()[:2] or [""]
        yield uri, suite


def mirror() -> str:
    """Where to install from: the system's own Debian mirror, so that a closed network works too."""
    if named := os.environ.get("VAPORBRUSH_DEBIAN_MIRROR"):
        return named
    apt = Path("/etc/apt")
    files = [
        apt / "sources.list",
        *sorted(apt.glob("sources.list.d/*.sources")),
        *sorted(apt.glob("sources.list.d/*.list")),
    ]
    found = mirror_from_sources([f.read_text() for f in files if f.is_file()])
    if found is None:
        raise RootError("No Debian mirror is named in /etc/apt: set VAPORBRUSH_DEBIAN_MIRROR to the address of one.")
    return found


def root_path() -> Path:
    """Where the root is, or will be."""
    return Path(os.environ.get("VAPORBRUSH_HOSTS_ROOT", CACHE / suite().name))


def find_root() -> Root | None:
    """The root to use, if there is one."""
    if "VAPORBRUSH_HOSTS_SUITE" not in os.environ and system_is_enough():
        return Root(Path("/"))
    path = root_path()
    return Root(path) if stamp_of(path) == suite().recipe else None


def stamp_of(path: Path) -> str | None:
    """The recipe a finished root was made from."""
    try:
        return str(json.loads((path / STAMP).read_text())["recipe"])
    except (OSError, ValueError, KeyError):  # none was finished there
        return None


def system_is_enough() -> bool:
    """Whether the system's own Krita and GIMP are new enough and everything that drives them is installed."""
    if not all(shutil.which(name) for name in PROGRAMS):
        return False
    return all(version_of([name, "--version"]) > old for name, old in NEWEST_BAD.items())


def version_of(command: list[str]) -> tuple[int, ...]:
    """The first dotted number that a program prints for `--version`."""
    if command[0] == "krita":
        command = ["xvfb-run", "-a", *command]  # Krita insists on an X server even for this
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for word in (done.stdout + " " + done.stderr).split():
        parts = word.strip("(),").split(".")
        if len(parts) >= 2 and all(p.isdigit() for p in parts[:2]):
            return tuple(int(p) for p in parts if p.isdigit())
    return ()


def build(path: Path) -> None:
    """Make the root at `path`, beside an older one until it is whole."""
    if os.geteuid() != 0:
        raise RootError("Building the Debian root needs root rights: run `sudo make hosts`.")
    debootstrap = shutil.which("debootstrap")
    if debootstrap is None:
        print("hosts: installing debootstrap", flush=True)
        run(["apt-get", "update", "-qq"])
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "debootstrap", "debian-archive-keyring"])
        debootstrap = shutil.which("debootstrap") or "/usr/sbin/debootstrap"
    source, chosen = mirror(), suite()
    new = path.with_name(path.name + ".new")
    if new.exists():
        shutil.rmtree(new)
    new.parent.mkdir(parents=True, exist_ok=True)
    print(f"hosts: building Debian {chosen.name} at {path} from {source} (about 2 GB, a few minutes)", flush=True)
    run([debootstrap, "--variant=minbase", chosen.base, str(new), source])
    (new / "etc/dpkg/dpkg.cfg.d/fast").write_text(
        "force-unsafe-io\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n"
    )
    (new / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")  # no package may start a service in here
    (new / "usr/sbin/policy-rc.d").chmod(0o755)
    for name in ("resolv.conf", "hosts"):
        shutil.copyfile(f"/etc/{name}", new / "etc" / name)
    (new / "etc/apt/apt.conf.d/mirror").write_text('Acquire::Check-Valid-Until "false";\n')  # it may stand still
    if chosen.name != chosen.base:
        (new / "etc/apt/sources.list.d/newer.list").write_text(f"deb {source} {chosen.name} main\n")
    apt = ["apt-get", "-y", "-qq", "--no-install-recommends", "install", *chosen.packages]
    inside(new, "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && " + " ".join(apt) + " && apt-get clean")
    verify(new)
    (new / STAMP).write_text(json.dumps({"recipe": chosen.recipe, "suite": chosen.name, "mirror": source}))
    if path.exists():
        old = path.with_name(path.name + ".old")
        path.rename(old)
        new.rename(path)
        shutil.rmtree(old)
    else:
        new.rename(path)


def verify(path: Path) -> None:
    """Run the programs inside once: a root that is stamped works."""
    for name in PROGRAMS:
        # lexists: a link to /etc/alternatives points outside the root, seen from here
        if not any(os.path.lexists(path / folder / name) for folder in ("usr/bin", "usr/sbin")):
            raise RootError(
                f"The root at {path} lacks the program {name}: delete the folder and run `make hosts` again."
            )
    for command in ("xvfb-run -a krita --version", "gimp-console --version"):  # Krita insists on an X server
        inside(path, f"export HOME=/tmp; {command}")


def inside(path: Path, script: str) -> None:
    """Run a shell script in the root, with mounts that vanish with it (a mount namespace of its own)."""
    mounts = "; ".join(
        (
            f"mount -t proc proc '{path}/proc'",
            f"mount --rbind /sys '{path}/sys'",
            f"mount --rbind /dev '{path}/dev'",
            f"mount -t tmpfs tmp '{path}/tmp'",
        )
    )
    chroot = f"exec chroot '{path}' /bin/sh -ec '{script}'"
    run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-ec", f"{mounts}; {chroot}"])


def run(command: list[str]) -> None:
    """Run to the end, its output on our stderr; a failure becomes one sentence."""
    clean = {k: v for k, v in os.environ.items() if k in ("PATH", "http_proxy", "https_proxy", "no_proxy", "TERM")}
    clean.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    done = subprocess.run(command, env={**clean, "LC_ALL": "C.UTF-8"}, stdout=sys.stderr, check=False)
    if done.returncode:
        raise RootError(f"`{' '.join(command)[:200]}` failed with {done.returncode}: its messages are above.")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One builder at a time; a second one waits and then finds the root made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def ensure() -> Root:
    """The root, built if it is not there."""
    if found := find_root():
        return found
    path = root_path()
    with locked(path):
        if not (found := find_root()):
            build(path)
            found = Root(path)
    return found


def main() -> int:
    """The command line."""
    try:
        found = find_root() if "--check" in sys.argv[1:] else ensure()
    except RootError as error:
        print(f"hosts: {error}", file=sys.stderr)
        return 1
    if found is None:
        print("hosts: no root yet: run `make hosts`", file=sys.stderr)
        return 1
    print(found.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
