"""Completion in the shell: `--install-completion` has the shell ask for it, `--show-completion` prints what it gets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click
from click.shell_completion import get_completion_class

from vaporbrush_daemon.texts import _
from vaporbrush_protocol.errors import RequestError

F = TypeVar("F", bound=Callable[..., Any])

VARIABLE = "_VAPORBRUSH_COMPLETE"  # click's: with it set, the program completes instead of running
# Where each shell reads what to do when it starts, and the line that makes it ask us.
STARTUP = {
    "bash": (".bashrc", f'eval "$({VARIABLE}=bash_source vaporbrush)"'),
    "zsh": (".zshrc", f'eval "$({VARIABLE}=zsh_source vaporbrush)"'),
    "fish": (".config/fish/completions/vaporbrush.fish", f"{VARIABLE}=fish_source vaporbrush | source"),
}


def _shell() -> str:
    shell = Path(os.environ.get("SHELL", "")).name
    if shell not in STARTUP:
        problem = _("SHELL is {shell}; completion is there for {shells}.")
        raise RequestError("bad_field", problem.format(shell=repr(shell), shells=", ".join(STARTUP)))
    return shell


def _show(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    made = get_completion_class(_shell())
    assert made is not None, "click knows the shells of STARTUP"
    click.echo(made(context.command, {}, "vaporbrush", VARIABLE).source())
    context.exit()


def _install(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    name, line = STARTUP[_shell()]
    path = Path.home() / name
    known = path.read_text(encoding="utf-8") if path.exists() else ""
    if line not in known.splitlines():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{'' if not known or known.endswith(chr(10)) else chr(10)}{line}\n")
    click.echo(_("{path} asks for completion now; open a new terminal.").format(path=path))
    context.exit()


def options(command: F) -> F:
    """Both options. They are not eager, so that `--help` beside them wins and nothing is installed."""
    install, show = "Install completion for the current shell.", "Print it, to copy it or customise the installation."
    command = click.option("--show-completion", is_flag=True, expose_value=False, callback=_show, help=show)(command)
    return click.option("--install-completion", is_flag=True, expose_value=False, callback=_install, help=install)(
        command
    )
