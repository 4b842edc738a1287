"""The log: one event per line, `name key=value …`, in home()/logs/daemon.log and on stderr."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from pathlib import Path

from vaporbrush_protocol.shown import plain

MAX_LOG_BYTES = 2 * 1024**2  # per file; some weeks of ordinary use
OLD_LOGS = 3
LEVELS = ("debug", "info", "warning", "error")

_logger = logging.getLogger("vaporbrush")
_file: list[str] = []


def configure(folder: Path, level: str, *, stderr: bool = True) -> Path:
    """Start logging into `folder`. Returns the log's path. Raises `OSError`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "daemon.log"
    handlers: list[logging.Handler] = [
        logging.handlers.RotatingFileHandler(path, maxBytes=MAX_LOG_BYTES, backupCount=OLD_LOGS, encoding="utf-8")
    ]
    if stderr and sys.stderr is not None and not _is_stderr(path):
        handlers.append(logging.StreamHandler(sys.stderr))
    formatter = PlainFormatter("%(asctime)s.%(msecs)03d %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    for handler in handlers:
        handler.setFormatter(formatter)
    for old in _logger.handlers:
        old.close()
    _logger.handlers[:] = handlers
    _logger.setLevel(level.upper())
    _logger.propagate = False
    _file[:] = [str(path)]
    return path


class PlainFormatter(logging.Formatter):
    """Nothing that a terminal would obey gets into the log. A traceback repeats what its error quotes: it keeps its
    lines, indented, so that none of them passes for an event.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as it is written."""
        return "\n    ".join(map(plain, super().format(record).split("\n")))


def _is_stderr(path: Path) -> bool:
    """Whether stderr goes into this very file already, as when a plug-in started the daemon."""
    try:
        return os.path.samestat(os.fstat(2), path.stat())
    except OSError:  # one of them is not there
        return False


def path() -> str:
    """The log's path, for sentences that send people there."""
    return plain(_file[0]) if _file else "not open"


def event(name: str, /, *, level: int = logging.INFO, **fields: object) -> None:
    """Log what happened. Fields that are None are left out."""
    if _logger.isEnabledFor(level):
        _logger.log(level, "%s", " ".join([name, *(f"{k}={_value(v)}" for k, v in fields.items() if v is not None)]))


def defect(name: str, error: BaseException, /, **fields: object) -> None:
    """Log an unexpected exception with its traceback."""
    _logger.error("%s", " ".join([name, *(f"{k}={_value(v)}" for k, v in fields.items())]), exc_info=error)


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = plain(value)
    return text if text and not any(c.isspace() or c in '"=' for c in text) else '"' + text.replace('"', '\\"') + '"'
