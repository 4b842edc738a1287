"""Runs the daemon in this process: home, lock, log, front; and the exit status that service managers understand."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import zmq

from vaporbrush_daemon import config as configuration
from vaporbrush_daemon import instance, logs
from vaporbrush_daemon.config import Config, ConfigError
from vaporbrush_protocol.endpoint import FILE, Connection
from vaporbrush_protocol.errors import LinkError
from vaporbrush_protocol.private import OTHERS, WINDOWS

from .authentication import tokens
from .loop import Front
from .systemd import Notifier

EXIT_RUNNING = 75  # EX_TEMPFAIL: another daemon serves this home
EXIT_CONFIG = 78  # EX_CONFIG: it will not work before somebody changes something


def _last_connection(home: Path) -> tuple[Connection, bool]:
    """The connection file of the last daemon, and whether others could read its token; nothing is believed of one that
    others may have written.
    """
    try:
        exposed = not WINDOWS and bool((home / FILE).stat().st_mode & OTHERS)
        return Connection.read(home), exposed
    except FileNotFoundError:  # the first daemon of this home
        return Connection(endpoints=(), token=""), False
    except LinkError as error:
        logs.event("connection_file_not_used", reason=error.message)
        return Connection(endpoints=(), token=""), False


def serve(config: Config, *, new_token: bool = False, announce: Callable[[str], None] | None = None) -> int:
    """Run the daemon in this process until it is told to stop. Returns the exit status.

    `new_token` replaces the token: clients that know the old one are locked out. `announce` gets one line for people:
    where it serves, or why it cannot.
    """
    say = announce or _say
    front: Front | None = None
    with contextlib.ExitStack() as stack:
        try:
            os.umask(0o077)  # whatever this process and its workers write is for their user
            instance.prepare(config.home)
            lock = instance.Lock(config.home)
            stack.callback(lock.release)
            log = logs.configure(config.home / "logs", config.log_level)
            files = instance.allow_many_files()
            notifier = Notifier()
            last, exposed = _last_connection(config.home)
            front = Front(config, tokens(last, exposed=exposed, fresh=new_token), lock, notifier, files)
            stack.callback(front.close)
            connection = front.open(last)
            connection.write(config.home)
        except instance.AlreadyRunning as error:
            say(str(error))
            return EXIT_RUNNING
        except (ConfigError, OSError) as error:  # zmq.ZMQError is an OSError's cousin by name only
            say(str(error))
            return EXIT_CONFIG
        except zmq.ZMQError as error:
            say(f"The daemon cannot listen: {error}.")
            return EXIT_CONFIG
        front.ring_on_signals()
        logs.event("serving", pid=os.getpid(), home=config.home, endpoints=",".join(connection.endpoints), files=files)
        say(f"Vaporbrush serves at {', '.join(connection.endpoints)} (log: {log}).")
        notifier.tell("READY=1")
        front.run()
        logs.event("ended")
    return 0


def _say(line: str) -> None:
    if sys.stderr is not None:  # a Windows program without a console has none
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def main() -> int:
    """`python -m vaporbrush_daemon.front.serve`: the daemon without the command line."""
    try:
        return serve(configuration.load())
    except ConfigError as error:
        _say(str(error))
        return EXIT_CONFIG


if __name__ == "__main__":
    sys.exit(main())
