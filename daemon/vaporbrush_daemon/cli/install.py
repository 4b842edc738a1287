"""`install` and `uninstall`: the plug-ins of the host programs, and the service."""

from __future__ import annotations

import rich_click as click

from vaporbrush_daemon.install import gimp as install_gimp
from vaporbrush_daemon.install import krita as install_krita

from . import terminal


@click.group()
def install() -> None:
    """Put the plug-in into Krita or GIMP, or have the daemon start with your login."""


@click.group()
def uninstall() -> None:
    """Take away exactly what was installed."""


own_option = click.option(
    "--own", is_flag=True, help="Start this command's painter, also where a plug-in has installed one."
)


@install.command("krita")
@own_option
def krita(*, own: bool) -> None:
    """Install or update the plug-in in every Krita of this user, and enable it."""
    for sentence in install_krita.install(own=own):
        terminal.tell(sentence)


@uninstall.command("krita")
def uninstall_krita() -> None:
    """Remove the plug-in from every Krita of this user."""
    for sentence in install_krita.uninstall():
        terminal.tell(sentence)


@install.command("gimp")
@own_option
def gimp(*, own: bool) -> None:
    """Install or update the plug-in in every GIMP 3 of this user."""
    for sentence in install_gimp.install(own=own):
        terminal.tell(sentence)


@uninstall.command("gimp")
def uninstall_gimp() -> None:
    """Remove the plug-in from every GIMP 3 of this user."""
    for sentence in install_gimp.uninstall():
        terminal.tell(sentence)


@install.command("service")
@click.option("--on-demand", is_flag=True, help="Only listen; the first painting starts the daemon (systemd).")
def service(*, on_demand: bool) -> None:
    """Have the daemon start with every login, as a service of yours; nothing needs root."""
    from vaporbrush_daemon.install import service as manager

    for sentence in manager.install(on_demand=on_demand):
        terminal.tell(sentence)


@uninstall.command("service")
def uninstall_service() -> None:
    """Stop and remove the service."""
    from vaporbrush_daemon.install import service as manager

    for sentence in manager.uninstall():
        terminal.tell(sentence)
