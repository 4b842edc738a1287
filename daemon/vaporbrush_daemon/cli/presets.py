"""`presets`, and what `@NAME` means where it is one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich_click as click

from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.controls import BY_NAME, Value
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.preset_archive import SUFFIX, pack, unpack
from vaporbrush_protocol.presets import NewStyle, Preset, PresetStore, PresetStyle

from . import terminal
from .options import CONTENT, FILE, argument_panel, given_settings, json_option, setting_options, weights_option

replace_option = click.option("--replace", is_flag=True, help="Replace the preset that has this name.")


@dataclass(frozen=True, slots=True)
class Meant:
    """What was named on the command line: pictures or @NAMEs of styles, their weights, and settings."""

    styles: tuple[str, ...]
    weights: tuple[float, ...] | None
    settings: Mapping[str, Value]


def meant(styles: tuple[str, ...], weights: tuple[float, ...] | None, given: Mapping[str, Value]) -> Meant:
    """A preset among the styles gives its own and its settings; what is given beside it goes before.

    As one's own style hides a bundled one of the same name, so does a preset.
    """
    store = PresetStore(home())
    called = [name for style in styles if style.startswith("@") and (name := store.find(style)) is not None]
    if not called:
        return Meant(styles, weights, given)
    if len(styles) > 1:
        raise RequestError(
            "bad_field",
            _("@{name} is a preset with styles of its own: name it alone, without other styles.").format(
                name=called[0]
            ),
        )
    preset = store.load(called[0])
    own = tuple(style.weight for style in preset.styles)
    return Meant(tuple(_argument(style) for style in preset.styles), weights or own, {**preset.settings, **given})


def _argument(style: PresetStyle) -> str:
    return f"@{style.name}" if style.picture is None else str(style.picture)


@click.group()
def presets() -> None:
    """Styles and settings that belong together, by one name in Krita, GIMP and here.

    For instance: vaporbrush presets save inky @ink photo-of-paper.jpg --strength 300, and from then on:
    vaporbrush stylize photo.jpg @inky -o out.png
    """


@presets.command("list")
@json_option
def list_presets(*, as_json: bool) -> None:
    """List the presets."""
    store = PresetStore(home())
    found = list(store.all())
    if as_json:
        shown = [{"name": name, "error": one.message} if isinstance(one, RequestError) else facts(one)
                 for name, one in found]  # fmt: skip
        click.echo(json.dumps({"presets": shown}))
        return
    table = terminal.sheet(_("Preset"), terminal.long())
    for name, one in found:
        table.add_row(f"@{name}", one.message if isinstance(one, RequestError) else summary(one))
    if found:
        terminal.out.print(table)
    else:
        terminal.say(_("There is none yet. Keep one: vaporbrush presets save NAME STYLE... --strength 300"))


@presets.command("show")
@argument_panel("name")
@click.argument("name", metavar="NAME", help="As `presets list` has it.")
@json_option
def show_preset(*, name: str, as_json: bool) -> None:
    """Show what is in a preset."""
    preset = PresetStore(home()).load(name)
    if as_json:
        click.echo(json.dumps(facts(preset)))
        return
    table = terminal.sheet("", terminal.long(), header=False)
    for style in preset.styles:
        table.add_row(_("Style"), f"{_argument(style)}{f' × {style.weight:g}' if len(preset.styles) > 1 else ''}")
    for setting, value in preset.settings.items():
        table.add_row(_(BY_NAME[setting].worded(CONTENT).label), _shown(setting, value))
    terminal.out.print(table)


@presets.command("save")
@argument_panel("name", "style")
@click.option_panel("Options", options=["replace", "help"])
@click.argument("name", metavar="NAME", help="What it is to be called.")
@click.argument(
    "style",
    metavar="STYLE...",
    nargs=-1,
    required=True,
    help="Pictures, of which it keeps copies, or @NAMEs of styles.",
)
@setting_options
@weights_option
@replace_option
def save_preset(
    *, name: str, style: tuple[str, ...], style_weights: tuple[float, ...] | None, replace: bool, **options: Any
) -> None:
    """Keep styles and settings under a name."""
    weights = style_weights or (1.0,) * len(style)
    if len(weights) != len(style):
        raise RequestError(
            "bad_field",
            _("--style-weights has {weights} numbers for {styles} styles; give one for each.").format(
                weights=len(weights), styles=len(style)
            ),
        )
    library = StyleLibrary.of(home())
    kept = []
    for one, weight in zip(style, weights, strict=True):
        if one.startswith("@"):
            kept.append(NewStyle(name=library.file(one[1:]).name, weight=weight))
        else:
            kept.append(NewStyle(file=Path(one), weight=weight))
    preset = PresetStore(home()).save(name, kept, given_settings(options), replace=replace)
    terminal.tell(f"@{preset.name}: {summary(preset)}")


@presets.command("export")
@argument_panel("name", "file")
@click.argument("name", metavar="NAME", help="As `presets list` has it.")
@click.argument("file", metavar="FILE", type=FILE, help=f"Where it goes; {SUFFIX} is the usual end of its name.")
def export_preset(*, name: str, file: Path) -> None:
    """Write a preset to one file, pictures included, for another computer or person."""
    target = file if file.suffix else file.with_name(file.name + SUFFIX)
    if target.is_dir():
        raise RequestError("bad_field", _("{file} is a folder; name a file in it.").format(file=target))
    pack(PresetStore(home()), name, target)
    terminal.tell(f"{target}: {terminal.amount(target.stat().st_size)}")


@presets.command("import")
@argument_panel("file")
@click.argument("file", metavar="FILE", type=FILE, help="A file that `presets export`, Krita or GIMP has written.")
@click.option("--name", metavar="NAME", default="", help="What it is to be called here; its own name where left out.")
@replace_option
def import_preset(*, file: Path, name: str, replace: bool) -> None:
    """Take a preset out of a file. Nothing in it is believed: only pictures and settings are taken."""
    preset = unpack(PresetStore(home()), file, name=name, replace=replace)
    terminal.tell(f"@{preset.name}: {summary(preset)}")


@presets.command("delete")
@argument_panel("name")
@click.argument("name", metavar="NAME", help="As `presets list` has it.")
def delete_preset(*, name: str) -> None:
    """Forget a preset, with the copies of its pictures."""
    PresetStore(home()).delete(name)


def facts(preset: Preset) -> dict[str, Any]:
    """What `--json` prints of a preset."""
    styles = [
        {"weight": style.weight, **({"picture": str(style.picture)} if style.picture else {"name": style.name})}
        for style in preset.styles
    ]
    return {"name": preset.name, "styles": styles, "settings": dict(preset.settings)}


def summary(preset: Preset) -> str:
    """A preset in one line."""
    styles = " + ".join(f"@{style.name}" if style.picture is None else style.picture.stem for style in preset.styles)
    unusual = {name: value for name, value in preset.settings.items() if value != BY_NAME[name].default}
    settings = [
        f"{_(BY_NAME[name].worded(CONTENT).label).lower()} {_shown(name, value)}" for name, value in unusual.items()
    ]
    return " · ".join([styles, *settings])


def _shown(name: str, value: Value) -> str:
    control = BY_NAME[name].worded(CONTENT)
    label = next((option.label for option in control.options if option.value == value), None)
    if label is not None:
        return _(label)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, tuple):
        return ", ".join(f"{one:g}" for one in value)
    return _(control.unset) if value is None else f"{value:g}" if isinstance(value, float) else str(value)
