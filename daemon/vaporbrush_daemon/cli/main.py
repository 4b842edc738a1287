"""The command line: which commands there are, and how each error becomes one sentence and an exit status.

Starts fast: what needs numpy is imported by the commands that read pictures, and torch by none.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from vaporbrush_daemon.config import ConfigError
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.errors import LinkError, RequestError, VaporbrushError
from vaporbrush_protocol.version import __version__

from . import daemon, health, install, terminal
from . import stylize as paint
from . import weights as models
from .exit_status import CANCELLED, DONE, FAILED, NO_DAEMON, USAGE

# The order itself was found wrong, not the painting of it.
USAGE_CODES = {"bad_field", "too_large", "too_small", "unknown_style", "unknown_model", "unknown_job", "device_missing"}
PATHS = ("VAPORBRUSH_HOME", "VAPORBRUSH_WEIGHTS")  # a daemon started from here has another working directory
UsageError: Any = typer.BadParameter.__mro__[1]  # typer's own or click's, depending on typer's version
HELP = ["-h", "--help"]  # every command has both

app = typer.Typer(
    name="vaporbrush",
    help="Repaint a picture in the style of another, by one painter that serves Krita, GIMP and this command.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": HELP},
)
PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Paint": (paint.stylize, paint.styles, paint.demo),
    "The daemon, which paints in the background": (
        daemon.serve,
        daemon.stop,
        daemon.status,
        daemon.jobs,
        daemon.cancel,
        daemon.logs,
    ),
    "Set up": (health.doctor,),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(models.app, name="weights", rich_help_panel="Set up")
app.add_typer(install.app, name="install", rich_help_panel="Set up")
app.add_typer(install.remove, name="uninstall", rich_help_panel="Set up")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vaporbrush {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


def plain(command: Any) -> Any:
    """The command without programmers' types in its help: typer writes `<bool>` after each switch."""
    for parameter in command.get_params(typer.Context(command, help_option_names=HELP)):
        if parameter.param_type_name == "argument":
            parameter.display_type_rich = lambda **_: None
        elif parameter.is_flag:
            parameter.metavar = ""
    for name in getattr(command, "commands", {}):
        plain(command.commands[name])
    return command


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 1 the job failed, 2 wrong usage, 3 no daemon, 130 cancelled."""
    for variable in PATHS:
        if os.environ.get(variable):
            os.environ[variable] = str(Path(os.environ[variable]).expanduser().absolute())
    sys.exit(_run())


def _run() -> int:
    try:
        done = plain(typer.main.get_command(app))(standalone_mode=False)
        status = done if isinstance(done, int) else DONE
    except VaporbrushError as error:
        terminal.complain(error.message)
        status = exit_status(error)
    except ConfigError as error:
        terminal.complain(str(error))
        status = USAGE
    except UsageError as error:
        context = getattr(error, "ctx", None)
        hint = f" See `{context.command_path} --help`." if context else ""
        terminal.complain(f"{error.format_message().rstrip('.')}.{hint}")
        status = USAGE
    except (KeyboardInterrupt, typer.Abort):
        status = CANCELLED
    except BrokenPipeError:  # `vaporbrush jobs | head`: whoever read has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # python flushes stdout at exit
        status = FAILED
    except Exception as error:  # noqa: BLE001 - a defect: people get a sentence, and a report gets the details
        path = home() / "logs" / "commands.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
        terminal.complain(f"This is a defect in Vaporbrush: {error!r}. Please report it with the end of {path}.")
        status = FAILED
    return status


def exit_status(error: VaporbrushError) -> int:
    """The exit status for an error."""
    if error.code == "cancelled":
        return CANCELLED
    if isinstance(error, LinkError):
        return NO_DAEMON
    return USAGE if isinstance(error, RequestError) or error.code in USAGE_CODES else FAILED
