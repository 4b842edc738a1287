"""What happens to the daemon while GIMP paints. Each is told under its name; what is right, the tests decide."""

import json
import os
import time
from pathlib import Path

from console_kit import FOLDER, QUICK, STYLE, about, call, check, load, names, painted, tell


def await_file(name):
    """The test outside has done what was asked for."""
    while not (FOLDER / name).exists():
        time.sleep(0.05)


@check
def daemon_absent():
    """The connection file names a socket that nobody listens on, as a daemon that died leaves it."""
    home = Path(os.environ["VAPORBRUSH_HOME"])
    whole = (home / "connection.json").read_text()
    wire = json.loads(whole)
    wire["endpoints"], wire["start"] = [f"ipc://{home}/run/nobody.sock"], []
    (home / "connection.json").write_text(json.dumps(wire))
    image = load("content.png")
    try:
        return [*call(image, image.get_layers(), style=STYLE, **QUICK), names(image)]
    finally:
        (home / "connection.json").write_text(whole)


@check
def other_version():
    """A daemon that speaks another major version."""
    home = Path(os.environ["VAPORBRUSH_HOME"])
    (home / "connection.json").rename(home / "connection.away")
    (home / "connection.json").write_bytes((FOLDER / "other-version.json").read_bytes())
    image = load("content.png")
    try:
        return [*call(image, image.get_layers(), style=STYLE, **QUICK), names(image)]
    finally:
        (home / "connection.away").rename(home / "connection.json")


@check
def worker_killed():
    """The test kills the worker while it paints this."""
    image = load("content.png")
    tell("kill the worker", value=True)
    status, layer, error = call(image, image.get_layers(), style=STYLE, size="64", quality="draft", steps=60)
    return [status, about(layer) if layer else None, error]


@check
def daemon_killed():
    """The test kills the daemon while it paints this, and starts another afterwards."""
    image = load("content.png")
    tell("kill the daemon", value=True)
    status, _layer, error = call(image, image.get_layers(), style=STYLE, size="64", quality="draft", steps=5000)
    left = names(image)
    tell("daemon gone", value=True)
    await_file("daemon-again")
    later = painted(image, image.get_layers(), style=STYLE)
    return {"status": status, "error": error, "left": left, "later": about(later)}
