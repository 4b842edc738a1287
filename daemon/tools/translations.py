"""The languages: collects the texts, brings the translations up to date, compiles them for `gettext`.

    python daemon/tools/translations.py               after a text was changed or a translation written
    python daemon/tools/translations.py --check       fails where that has been forgotten, or a translation is wrong
    python daemon/tools/translations.py --check de    the same for one language

There are two catalogues: the plug-ins' and the command line's. Texts are what the code has in `_(…)` and `_n(…)`, the
table of controls, and the help of the commands. A translation is a `.po` file in a `locale` folder; what `gettext`
reads, the `.mo` beside it, is made here.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

from vaporbrush_daemon.cli.main import vaporbrush
from vaporbrush_daemon.cli.options import CONTENT
from vaporbrush_daemon.cli.spoken import reword
from vaporbrush_protocol import controls
from vaporbrush_protocol.version import __version__

ROOT = Path(__file__).resolve().parents[2]
FILE = "vaporbrush.po"
HEADER = {
    "project": "vaporbrush",
    "version": __version__,
    "msgid_bugs_address": "none",
    "last_translator": "none",
    "language_team": "none",
}
KEYWORDS: dict[str, tuple[int, ...] | None] = {"_": None, "_n": (1, 2)}
FIELD = re.compile(r"\{[^{}]*\}")
EDITORS_OWN = "{content}"  # always "layer" here: a translation may have the word itself, in the case that it needs
UNDATED = datetime(2026, 1, 1, tzinfo=UTC)
DATED = (b'"POT-Creation-Date', b'"PO-Revision-Date', b'"Generated-By')
MNEMONIC = re.compile(r"(?<!_)_(?=\w)")  # GTK's
# What rich-click, and click in a language of ours, have in a help and in what is said of a wrong command.
OF_CLICK: tuple[str | tuple[str, str], ...] = (
    "Arguments",
    "Options",
    "Commands",
    "default: {}",
    "required",
    "Show this message and exit.",
    "Missing argument",
    "Missing option",
    "Missing command.",
    "No such option {name!r}.",
    "No such command {name!r}.",
    "Option {name!r} does not take a value.",
    "Invalid value for {param_hint}: {message}",
    "{value!r} is not a valid {number_type}.",
    "{value} is not in the range {range}.",
    ("Option {name!r} requires an argument.", "Option {name!r} requires {nargs} arguments."),
    ("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})"),
    ("Did you mean {possibility}?", "(Did you mean one of: {possibilities}?)"),
)


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one catalogue: who says them, the code that has them, where translations are, and further ones."""

    whose: str
    code: str
    locale: str
    more: Callable[[], Iterator[tuple[str, str | tuple[str, str]]]]  # (file, text)

    def template(self) -> Catalog:
        """Every text, in the order in which the files have them."""
        comment = f"# The texts of Vaporbrush's {self.whose}. Made by daemon/tools/translations.py."
        catalog = Catalog(**HEADER, header_comment=comment, fuzzy=False)
        found = extract_from_dir(ROOT / self.code, [("**.py", "python")], keywords=KEYWORDS)
        for name, _line, text, comments, context in sorted(found, key=lambda each: (each[0], each[1])):
            catalog.add(text, locations=[(f"{self.code}/{name}", 0)], auto_comments=comments, context=context)
        for name, text in self.more():
            catalog.add(text, locations=[(name, 0)])
        return catalog

    def languages(self) -> list[Path]:
        """The files of the translations."""
        return sorted((ROOT / self.locale).glob(f"*/LC_MESSAGES/{FILE}"))


def _of_controls() -> Iterator[tuple[str, str]]:
    for control in (*controls.CONTROLS, *controls.FILM):
        texts = [control.label, control.tip, control.unset, control.help]
        texts += [text for option in control.options for text in (option.label, option.tip)]
        yield from (("protocol/vaporbrush_protocol/controls.py", text) for text in texts if text)


def _of_commands() -> Iterator[tuple[str, str | tuple[str, str]]]:
    helps: list[str] = []

    def collect(text: str) -> str:
        helps.append(text)
        return text

    reword(vaporbrush, collect)
    yield from (("the help of the commands", text) for text in helps)
    for control in (one for one in controls.CONTROLS if one.recipe):  # what `presets` shows
        shown = control.worded(CONTENT)
        texts = [shown.label, shown.unset, *(option.label for option in shown.options)]
        yield from (("protocol/vaporbrush_protocol/controls.py", text) for text in texts if text)
    yield from (("click", text) for text in OF_CLICK)


CATALOGUES = (
    Texts("plug-ins", "plugins", "plugins/common/vaporbrush_host/locale", _of_controls),
    Texts("command line", "daemon/vaporbrush_daemon", "daemon/vaporbrush_daemon/locale", _of_commands),
)


def read(file: Path) -> Catalog:
    """A translation."""
    with file.open("rb") as stream:
        return read_po(stream, locale=file.parts[-3], domain="vaporbrush")


def written(catalog: Catalog) -> bytes:
    """A catalogue as a file. Without lines and dates, or every change of the code would change it."""
    out = io.BytesIO()
    write_po(out, catalog, width=0, include_lineno=False, ignore_obsolete=True)
    return b"\n".join(line for line in out.getvalue().split(b"\n") if not line.startswith(DATED))


def compiled(catalog: Catalog) -> bytes:
    """What `gettext` reads."""
    catalog.creation_date = catalog.revision_date = UNDATED
    out = io.BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def is_current(file: Path, data: bytes) -> bool:
    """Whether a file says this. The heads of compiled ones differ from version to version of Babel."""
    if not file.exists():
        return False
    kept = file.read_bytes()
    if file.suffix != ".mo":
        return kept == data
    one, other = ({str(m.id): m.string for m in read_mo(io.BytesIO(each)) if m.id} for each in (kept, data))
    return one == other


def faults(catalog: Catalog) -> Iterator[str]:
    """What is wrong with a translation, in sentences."""
    for message in catalog:
        if message.id:
            yield from (f"{catalog.locale}: {message.id!r} {fault}" for fault in _faults(message, catalog.num_plurals))


def _faults(message: Message, forms: int) -> Iterator[str]:
    originals = [message.id] if isinstance(message.id, str) else list(message.id)
    texts = [message.string] if isinstance(message.string, str) else list(message.string or ())
    if message.fuzzy or not all(texts) or len(texts) != (1 if isinstance(message.id, str) else forms):
        yield "is not translated."
        return
    wanted = set(FIELD.findall(originals[-1])) - {EDITORS_OWN}
    for number, text in enumerate(texts):
        found = set(FIELD.findall(text)) - {EDITORS_OWN}
        of_one = number == 0 and forms > 1  # which may say the number in words, as the original may
        if found != wanted and not (of_one and found == set(FIELD.findall(originals[0]))):
            yield f"has the fields {sorted(wanted)}, but {text!r} has not."
        if len(MNEMONIC.findall(text)) != len(MNEMONIC.findall(originals[-1])):
            yield f"has as many underlined letters as {text!r} should have."
        if text.count("\n") != originals[-1].count("\n"):
            yield f"has as many lines as {text!r} should have."


def main(*, check: bool, only: Sequence[str] = ()) -> int:
    """Write, or with `check` compare, everything, or what `only` names of the languages. Returns the exit status."""
    wrong: list[str] = []
    for catalogue in CATALOGUES:
        texts = catalogue.template()
        wanted = {ROOT / catalogue.locale / f"{FILE}t": written(texts)}
        for file in catalogue.languages():
            if only and file.parts[-3] not in only:
                continue
            catalog = read(file)
            catalog.update(texts, no_fuzzy_matching=True)
            wrong += faults(catalog)
            wanted[file] = written(catalog)
            wanted[file.with_suffix(".mo")] = compiled(read_po(io.BytesIO(wanted[file]), locale=file.parts[-3]))
        for file, data in wanted.items():
            if check and not is_current(file, data):
                wrong.append(f"{file.relative_to(ROOT)} is not up to date: run `python daemon/tools/translations.py`.")
            elif not check and not is_current(file, data):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
    sys.stderr.writelines(f"{sentence}\n" for sentence in wrong)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:], only=[word for word in sys.argv[1:] if word != "--check"]))
