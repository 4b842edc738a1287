"""The command line: which commands there are, and how each error becomes one sentence and an exit status.

Starts fast: what needs numpy is imported by the commands that read pictures, and torch by none.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import rich_click as click
from click.exceptions import NoArgsIsHelpError

from vaporbrush_daemon.config import ConfigError
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.private import make_folder, open_private
from vaporbrush_protocol.version import __version__

from . import (
    animate,
    completion,
    conformance,
    daemon,
    demo,
    doctor,
    exit_status,
    guest,
    history,
    install,
    jobs,
    presets,
    remote,
    spoken,
    studio,
    styles,
    stylize,
    terminal,
    weights,
)

ENDS = (".", ")", "?", "\u3002", "\uff09", "\uff1f")  # of a sentence, in the languages that we speak
PATHS = ("VAPORBRUSH_HOME", "VAPORBRUSH_WEIGHTS")  # a daemon started from here has another working directory
LOOK = click.RichHelpConfiguration(
    theme="default-box",
    enable_theme_env_var=False,
    options_table_column_types=["required", "opt_long", "opt_short", "metavar", "help"],
    options_table_help_sections=["help", "default"],
)


PANELS: dict[str, tuple[click.Command, ...]] = {
    "Paint": (stylize.stylize, animate.animate, history.history, styles.styles, presets.presets, demo.demo),
    "The daemon, which paints in the background": (
        daemon.serve,
        daemon.stop,
        daemon.status,
        jobs.jobs,
        jobs.cancel,
        daemon.logs,
    ),
    "Other machines": (remote.remote, guest.guest, studio.studio),
    "Set up": (doctor.doctor, weights.weights, install.install, install.uninstall),
    "For those who write programs": (conformance.conformance,),
}


@click.group(
    name="vaporbrush",
    help="Repaint a picture in the style of another, by one painter that serves Krita, GIMP and this command.",
    context_settings={"help_option_names": ["-h", "--help"], "rich_help_config": LOOK},
)
@click.version_option(__version__, message="vaporbrush %(version)s", help="Print the version.")
@completion.options
def vaporbrush() -> None:
    """Every command is in one of the panels."""


for panel, commands in PANELS.items():
    for command in commands:
        vaporbrush.add_command(command)
    vaporbrush.add_panel(click.RichCommandPanel(panel, commands=[str(command.name) for command in commands]))


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 1 the job failed, 2 wrong usage, 3 no daemon, 130 cancelled."""
    for variable in PATHS:
        if os.environ.get(variable):
            os.environ[variable] = str(Path(os.environ[variable]).expanduser().absolute())
    spoken.speak(vaporbrush, LOOK)
    sys.exit(_run())


def _run() -> int:
    try:
        done = vaporbrush.main(prog_name="vaporbrush", standalone_mode=False)
        status = done if isinstance(done, int) else exit_status.DONE
    except VaporbrushError as error:
        terminal.complain(error.message)
        status = exit_status.of(error)
    except ConfigError as error:
        terminal.complain(str(error))
        status = exit_status.USAGE
    except NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
        status = exit_status.USAGE
    except click.UsageError as error:
        hint = " " + _("See `{command} --help`.").format(command=error.ctx.command_path) if error.ctx else ""
        message = error.format_message()
        terminal.complain(f"{message}{'' if message.endswith(ENDS) else '.'}{hint}")
        status = exit_status.USAGE
    except (KeyboardInterrupt, click.Abort):
        status = exit_status.CANCELLED
    except BrokenPipeError:  # `vaporbrush jobs | head`: whoever read has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # python flushes stdout at exit
        status = exit_status.FAILED
    except Exception as error:  # noqa: BLE001 - a defect: people get a sentence, and a report gets the details
        path = home() / "logs" / "commands.log"
        make_folder(home())
        make_folder(path.parent)
        with open_private(path, "a") as log:
            traceback.print_exc(file=log)
        defect = _("This is a defect in Vaporbrush: {error}. Please report it with the end of {path}.")
        terminal.complain(defect.format(error=repr(error), path=path))
        status = exit_status.FAILED
    return status
