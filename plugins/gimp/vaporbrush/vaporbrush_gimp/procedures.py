"""The three procedures, in all three run modes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gi.repository import Gimp, GLib

from vaporbrush_host.ui_text import _, next_step
from vaporbrush_protocol.endpoint import Connection
from vaporbrush_protocol.errors import LinkError, RequestError, VaporbrushError

from . import arguments, film, layers, painting, styles
from .frames import LayerFrames
from .painting import Painting, Task

RESTYLIZE = "plug-in-vaporbrush-restylize"
STYLIZE = "plug-in-vaporbrush-stylize"
FRAMES = "plug-in-vaporbrush-frames"
# Whoever looks for “vaporbrush” with GIMP's search (the key /) shall find the first procedure first: GIMP puts those
# before it whose names begin so and go on with an earlier letter, as “Vaporbrush: Alle Einzelbilder” would. And whoever
# looks for “stylize” or “style transfer”: so the sentence about all frames has neither, as A is before V.
FRAMES_LABEL = "{frames} (Vaporbrush)..."


def describe(procedure: Any) -> None:
    """What people read of it, and its arguments. In their language: GIMP asks anew whenever its own has changed."""
    if procedure.get_name() == FRAMES:
        procedure.set_menu_label(FRAMES_LABEL.format(frames=_("All frames")))
        procedure.set_documentation(
            _("Repaint all layers of an image as the frames of a film"),
            _(
                "Paints every frame of an animation as GIMP has them: each layer at the top of the image is one, the "
                "lowest is the first, and (100ms), (combine) and (replace) in the layers' names mean what they mean to "
                "Filters ▸ Animation ▸ Playback. What stands still stays still, equal frames are painted once, and a "
                "cut begins anew. The paintings are the layers of a new image, of the same names; the image itself is "
                "not changed."
            ),
            FRAMES,
        )
        arguments.add_arguments(procedure, film=True)
        return
    if procedure.get_name() == RESTYLIZE:
        procedure.set_menu_label(_("Vaporbrush: _Restylize..."))
        procedure.set_documentation(
            _("Stylize again what Vaporbrush painted before (neural style transfer)"),
            _(
                "Takes a layer that Vaporbrush painted and paints its content anew with the settings and the style "
                "kept with the layer, as a new layer above it. Interactively the settings can be changed first."
            ),
            RESTYLIZE,
        )
        procedure.add_layer_return_value(
            "layer", _("Layer"), _("The new layer with the painting."), True, arguments.FLAGS
        )
        return
    procedure.set_documentation(
        _("Stylize a layer: repaint it in the style of another picture (neural style transfer)"),
        _(
            "Repaints the layer by neural style transfer (Gatys, Ecker, Bethge 2016), in the style of another layer, a "
            "picture file or a bundled style, or of several of them mixed, as a new layer above it of the same size. "
            "Of several selected layers each is painted; the first new layer is returned. "
            "A selection limits the painting, softness included. Where strength and style-scale are not given, a "
            "bundled style brings those that suit it. The work is done by Vaporbrush's daemon, which is started where "
            "it does not run."
        ),
        STYLIZE,
    )
    arguments.add_arguments(procedure)


def run(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any) -> Any:
    """One call. Whatever goes wrong becomes a sentence: shown in a dialog where a person started it, else returned."""
    from gi.repository import Gegl

    Gegl.init(None)
    alone = run_mode == Gimp.RunMode.NONINTERACTIVE
    try:
        layers.clear_away()
        if procedure.get_name() == FRAMES:
            return _film(procedure, run_mode, image, config)
        selected = layers.content_layers(image, list(drawables), several=procedure.get_name() != RESTYLIZE)
        if run_mode == Gimp.RunMode.INTERACTIVE:
            work = _ask(procedure, selected, config)
        else:
            work = _painted(_task(procedure, selected[0], config, alone=alone))
        if work is not None:
            _paint_others(work.task, selected[1:])
    except VaporbrushError as error:
        if error.code == "cancelled":
            return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, GLib.Error())
        return _failed(procedure, error, "", alone=alone)
    except Exception as error:  # noqa: BLE001 (GIMP's "plug-in crashed" would tell nobody what to do)
        import traceback

        defect = VaporbrushError("internal", _("The plug-in met a defect: {what}").format(what=error))
        return _failed(procedure, defect, traceback.format_exc(), alone=alone)
    return _returned(procedure, None if work is None else work.returned)


def _returned(procedure: Any, value: Any) -> Any:
    """What a call gives; None where the person cancelled."""
    if value is None:
        return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, GLib.Error())
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())
    values.remove(1)
    values.insert(1, value)
    return values


def _film(procedure: Any, run_mode: Any, image: Any, config: Any) -> Any:
    """A call for all frames."""
    alone = run_mode == Gimp.RunMode.NONINTERACTIVE
    frames = LayerFrames(image)
    try:
        place = film.place_of(image, frames)
        if run_mode == Gimp.RunMode.INTERACTIVE:
            work = _shown(procedure, place, config)
        else:
            sources = styles.sources_of(config, image, alone=alone)
            task = Task(place, sources, arguments.values_of(config), arguments.manner_of(config))
            work = _painted(task, seen=not alone)
    finally:
        frames.close()
    return _returned(procedure, None if work is None else work.returned)


def _task(procedure: Any, selected: Any, config: Any, *, alone: bool) -> Task:
    if procedure.get_name() != RESTYLIZE:
        sources = styles.sources_of(config, selected.get_image(), alone=alone)
        return Task(layers.place_of(selected), sources, arguments.values_of(config))
    return Task(*painting.again(selected, whole=True))


def _painted(task: Task, which: str = "", *, seen: bool = True) -> Painting:
    """A painting, in its new layer or image. `seen`: whether somebody sees the image."""
    Gimp.progress_init(_("Vaporbrush"))
    work = film.begun(task, seen=seen)
    try:
        if seen:
            work.take()
        work.follow(lambda state: painting.show_progress(state, which))
        work.deliver()
    finally:
        work.close()
    Gimp.progress_end()
    return work


def _paint_others(task: Task, selected: Sequence[Any]) -> None:
    """The other selected layers, like the first. One that cannot be painted stops no other."""
    for number, layer in enumerate(selected, 2):
        which = _("Layer {number} of {count}").format(number=number, count=len(selected) + 1)
        try:
            _painted(replace(task, place=layers.place_of(layer)), which)
        except VaporbrushError as error:
            if error.code == "cancelled":
                break
            Gimp.message(_("“{layer}” was not painted: {why}").format(layer=layer.get_name(), why=error.message))


def _ask(procedure: Any, selected: Sequence[Any], config: Any) -> Painting | None:
    """With the dialog, which shows the settings of the first procedure whichever was called, and the first layer. None:
    the person cancelled.
    """
    if procedure.get_name() != RESTYLIZE:
        return _shown(procedure, layers.place_of(selected[0]), config, more=len(selected) - 1)
    _check_screen()
    from .dialog import ask

    place, sources, values = painting.again(selected[0], whole=False)
    first = procedure.get_plug_in().do_create_procedure(STYLIZE)
    settings = first.create_config()
    arguments.put_values(settings, values)
    return ask(first, place, sources, settings)


def _shown(procedure: Any, place: layers.Place, config: Any, more: int = 0) -> Painting | None:
    """With the dialog, which begins with the settings and the styles of the last call."""
    _check_screen()
    from .dialog import ask

    try:
        sources = styles.sources_of(config, place.image, alone=False, whole=False)
    except RequestError:  # what was used last is gone: the dialog opens without a style, and asks for one
        sources = ()
    return ask(procedure, place, sources, config, more=more)


def _check_screen() -> None:
    from .problems import can_show

    if not can_show():
        raise RequestError("bad_field", _("There is no screen for the dialog: use the run mode NONINTERACTIVE."))


def log_path() -> str:
    """Where the daemon's log is."""
    try:
        return Connection.read().log
    except LinkError:  # no daemon has run here
        return ""


def _failed(procedure: Any, error: VaporbrushError, trace: str, *, alone: bool) -> Any:
    if not alone:
        from .problems import can_show, show

        if can_show():
            show(error, trace, log_path())
            return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, GLib.Error())
    parts = [error.message, next_step(error.code)]
    if isinstance(error, LinkError) or error.code in ("internal", "worker_crashed", "worker_stuck"):
        log = log_path()
        parts.append(_("Log: {path}").format(path=log) if log else "")
    if trace:
        parts.append(trace)
    message = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), " ".join(filter(None, parts)), 0)
    return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, message)
