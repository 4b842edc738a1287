"""`install` and `uninstall`: the plug-ins of the host programs, and the service."""

from __future__ import annotations

from typing import Annotated

import typer

from vaporbrush_daemon.install import gimp as install_gimp
from vaporbrush_daemon.install import krita as install_krita

app = typer.Typer(
    help="Put the plug-in into Krita or GIMP, or have the daemon start with your login.", no_args_is_help=True
)
remove = typer.Typer(help="Take away exactly what was installed.", no_args_is_help=True)


@app.callback()
def _install() -> None: ...


@remove.callback()
def _uninstall() -> None: ...


@app.command("krita")
def krita() -> None:
    """Install or update the plug-in in every Krita of this user, and enable it."""
    for sentence in install_krita.install():
        typer.echo(sentence)


@remove.command("krita")
def uninstall_krita() -> None:
    """Remove the plug-in from every Krita of this user."""
    for sentence in install_krita.uninstall():
        typer.echo(sentence)


@app.command("gimp")
def gimp() -> None:
    """Install or update the plug-in in every GIMP 3 of this user."""
    for sentence in install_gimp.install():
        typer.echo(sentence)


@remove.command("gimp")
def uninstall_gimp() -> None:
    """Remove the plug-in from every GIMP 3 of this user."""
    for sentence in install_gimp.uninstall():
        typer.echo(sentence)


@app.command("service")
def service(
    on_demand: Annotated[
        bool, typer.Option("--on-demand", help="Only listen; the first painting starts the daemon (systemd).")
    ] = False,
) -> None:
    """Have the daemon start with every login, as a service of yours; nothing needs root."""
    from vaporbrush_daemon.install import service as manager

    for sentence in manager.install(on_demand=on_demand):
        typer.echo(sentence)


@remove.command("service")
def uninstall_service() -> None:
    """Stop and remove the service."""
    from vaporbrush_daemon.install import service as manager

    for sentence in manager.uninstall():
        typer.echo(sentence)
