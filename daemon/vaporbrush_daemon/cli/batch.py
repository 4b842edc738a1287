"""A batch carried out: many pictures, many styles, one after the other; what goes wrong with one stops no other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rich_click as click
from click.exceptions import Exit

from vaporbrush_daemon.daemon_client import reach
from vaporbrush_daemon.texts import _, _n
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.errors import LinkError, RequestError, VaporbrushError
from vaporbrush_protocol.job import Job

from . import painting, terminal
from .batch_plan import Item, Journal, Look, is_several, items, label_of, pictures_of
from .exit_status import CANCELLED, DONE, FAILED
from .presets import meant
from .request import PaintRequest, check_target, prepare

HOPELESS = {"disk_full", "shutting_down", "weights_corrupt"}  # what the next painting would meet too


@dataclass
class Account:
    """What has become of a batch."""

    painted: list[Item] = field(default_factory=list)
    before: list[Item] = field(default_factory=list)  # done by an earlier run
    failed: list[tuple[Item, VaporbrushError]] = field(default_factory=list)
    repeated: list[Item] = field(default_factory=list)  # of a film: shows what another frame does

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "painted": [str(item.out) for item in self.painted],
            "there_already": [str(item.out) for item in self.before],
            **({"repeated": [str(item.out) for item in self.repeated]} if self.repeated else {}),
            "failed": [
                {"content": str(item.content), "out": str(item.out), "code": error.code, "error": error.message}
                for item, error in self.failed
            ],
        }

    @property
    def line(self) -> str:
        """In one line."""
        painted, repeated, before, failed = len(self.painted), len(self.repeated), len(self.before), len(self.failed)
        parts = [_n("{count} painted", "{count} painted", painted).format(count=painted)]
        if repeated:
            parts.append(_n("{count} repeated", "{count} repeated", repeated).format(count=repeated))
        if before:
            parts.append(_n("{count} there already", "{count} there already", before).format(count=before))
        if failed:
            parts.append(_n("{count} failed", "{count} failed", failed).format(count=failed))
        return ", ".join(parts)

    def fail(self, item: Item, error: VaporbrushError) -> None:
        """One could not be painted. Raises the error again where no other could either."""
        if isinstance(error, LinkError) or error.code in HOPELESS:
            raise error
        self.failed.append((item, error))

    def tell(self, out: Path, *, quiet: bool) -> int:
        """Say what has become of all. Returns the exit status."""
        if quiet:
            click.echo(json.dumps(self.to_json()))
        else:
            for item, error in self.failed:
                terminal.complain(f"{item.title}: {error.message}")
            terminal.tell(f"{out}: {self.line}")
        return FAILED if self.failed else DONE


@contextmanager
def going_on_later(account: Account) -> Iterator[None]:
    """Whatever ends the batch within, it is said that the same command goes on."""
    try:
        yield
    except KeyboardInterrupt:
        terminal.say(_("Cancelled: {account}. The same command goes on from here.").format(account=account.line))
        raise Exit(CANCELLED) from None
    except VaporbrushError:
        terminal.say(_("Stopped: {account}. The same command goes on from here.").format(account=account.line))
        raise


def wanted(content: Path, styles: Sequence[str], *, each: bool) -> bool:
    """Whether what is asked for is a batch."""
    return each or is_several(str(content)) or any(is_several(style) for style in styles if not style.startswith("@"))


def planned(asked: PaintRequest, *, each: bool) -> list[Item]:
    """The paintings of a batch. `asked` names folders and patterns where one painting's request names files."""
    if asked.mask or asked.style_masks or asked.regions or asked.go_on:
        raise RequestError(
            "bad_field", _("--mask, --style-mask, --region and --continue belong to one picture, not to a batch.")
        )
    names = [str(path) for style in asked.styles for path in _paths(style)]
    apart = each or len(names) != len(asked.styles) or any(map(is_several, asked.styles))
    groups = [(name,) for name in names] if apart else [tuple(names)]
    if apart and asked.style_weights is not None:
        raise RequestError("bad_field", _("--style-weights mixes styles, but here each is painted alone."))
    looks = [Look(label_of(group[0]), meant(group, asked.style_weights, asked.settings)) for group in groups]
    return items(pictures_of(str(asked.content)), looks, asked.out, asked.recipe)


def _paths(style: str) -> list[Path] | list[str]:
    return [style] if style.startswith("@") else [path for path, _below in pictures_of(style)]


def make_folder(out: Path) -> None:
    """The folder of the paintings."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        problem = _("{file} is a file; for several pictures -o has to name a folder.").format(file=out)
        raise RequestError("bad_field", problem) from None
    except OSError as error:
        problem = _("The folder {folder} cannot be made: {reason}.").format(folder=out, reason=error.strerror)
        raise RequestError("bad_field", problem) from None


def run(asked: PaintRequest, *, each: bool, quiet: bool, clock: Callable[[], float] = time.monotonic) -> int:
    """Paint a batch, and tell about it. Returns the exit status."""
    todo = planned(asked, each=each)
    make_folder(asked.out)
    journal, account = Journal(asked.out), Account()
    account.before = [item for item in todo if journal.has(item)]
    left = [item for item in todo if not journal.has(item)]
    if left:
        client, _started = reach(say=terminal.say)
        with client:
            painting.prepare_to_paint(client)
            with going_on_later(account):
                _paint_all(client, asked, left, journal, account, clock, quiet=quiet)
    return account.tell(asked.out, quiet=quiet)


def _paint_all(
    client: Client,
    asked: PaintRequest,
    left: Sequence[Item],
    journal: Journal,
    account: Account,
    clock: Callable[[], float],
    *,
    quiet: bool,
) -> None:
    began = clock()
    with terminal.showing(quiet=quiet and not terminal.err.is_terminal) as shows:
        for number, item in enumerate(left):
            seconds = (clock() - began) / number * (len(left) - number) if number else None
            shows.item(number, len(left), item.title, seconds)
            try:
                _paint(client, asked, item, journal, shows)
            except VaporbrushError as error:
                account.fail(item, error)
            else:
                account.painted.append(item)


def _paint(client: Client, asked: PaintRequest, item: Item, journal: Journal, shows: terminal.Shows) -> None:
    how = item.look.how
    request = PaintRequest(
        content=item.content,
        styles=how.styles,
        out=item.out,
        settings=how.settings,
        style_weights=how.weights,
        recipe=asked.recipe,
    )
    make_folder(item.out.parent)
    check_target(request)
    check_ours(item, journal)
    prepared = prepare(request, no_job)
    painting.upload(client, prepared.blobs, shows.bytes)
    job, picture = painting.paint(client, prepared, request, shows.job, history=False)
    journal.begin(item)
    painting.save(request, job, picture)
    journal.add(item)


def check_ours(item: Item, journal: Journal) -> None:
    """Raises `RequestError` where the painting would replace what no batch has painted."""
    if item.out.exists() and not journal.is_ours(item):
        problem = _("{file} is there already and is from no batch; it is left as it is.")
        raise RequestError("bad_field", problem.format(file=item.out))


def no_job(name: str) -> Job:
    """For what begins from no job."""
    raise AssertionError(f"a batch goes on from no job, but from {name}")
