"""The two procedures, in all three run modes."""

from __future__ import annotations

from typing import Any

from gi.repository import Gimp, GLib, GObject

from vaporbrush_host.ui_text import _, next_step
from vaporbrush_protocol.endpoint import Connection
from vaporbrush_protocol.errors import LinkError, RequestError, VaporbrushError

from . import arguments, layers, painting, styles
from .painting import Painting, Task

RESTYLIZE = "plug-in-vaporbrush-restylize"
STYLIZE = "plug-in-vaporbrush-stylize"


def describe(procedure: Any, *, again: bool) -> None:
    """Documentation and arguments."""
    if again:
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
        selected = layers.content_layer(image, list(drawables))
        if run_mode == Gimp.RunMode.INTERACTIVE:
            layer = _ask(procedure, selected, config)
        else:
            layer = _paint(_task(procedure, selected, config, alone=alone))
    except VaporbrushError as error:
        if error.code == "cancelled":
            return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, GLib.Error())
        return _failed(procedure, error, "", alone=alone)
    except Exception as error:  # noqa: BLE001 (GIMP's "plug-in crashed" would tell nobody what to do)
        import traceback

        defect = VaporbrushError("internal", _("The plug-in met a defect: {what}").format(what=error))
        return _failed(procedure, defect, traceback.format_exc(), alone=alone)
    if layer is None:
        return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, GLib.Error())
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())
    values.remove(1)
    values.insert(1, GObject.Value(Gimp.Layer, layer))
    return values


def _task(procedure: Any, selected: Any, config: Any, *, alone: bool) -> Task:
    if procedure.get_name() != RESTYLIZE:
        sources = styles.sources_of(config, alone=alone)
        return Task(layers.place_of(selected), sources, arguments.values_of(config))
    return Task(*painting.again(selected, whole=True))


def _paint(task: Task) -> Any:
    Gimp.progress_init(_("Vaporbrush"))
    work = Painting(task)
    work.follow(painting.show_progress)
    layer = work.deliver()
    Gimp.progress_end()
    return layer


def _ask(procedure: Any, selected: Any, config: Any) -> Any:
    """With the dialog, which shows the settings of the first procedure whichever was called."""
    from .problems import can_show

    if not can_show():
        raise RequestError("bad_field", _("There is no screen for the dialog: use the run mode NONINTERACTIVE."))
    from .dialog import ask

    if procedure.get_name() != RESTYLIZE:
        try:
            sources = styles.sources_of(config, alone=False, whole=False)
        except RequestError:
            sources = ()
        return ask(procedure, layers.place_of(selected), sources, config)
    place, sources, values = painting.again(selected, whole=False)
    first = procedure.get_plug_in().do_create_procedure(STYLIZE)
    settings = first.create_config()
    arguments.put_values(settings, values)
    return ask(first, place, sources, settings)


def log_path() -> str:
    """Where the daemon's log is."""
    try:
        return Connection.read().log
    except LinkError:
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
