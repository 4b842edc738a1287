"""The docker's controls: a field for each of the shared table, the rarer ones folded away, *Presets* and *Reset*."""

from __future__ import annotations

from collections.abc import Sequence

from vaporbrush_host import controls, presets
from vaporbrush_host.controls import Option, Values
from vaporbrush_host.film import Manner
from vaporbrush_host.regions import INSTEAD_OF_SELECTION
from vaporbrush_host.ui_text import _

from .fields import ChoiceField, Field, field_for
from .habits import set_tip
from .qt import Qt, QtWidgets, Signal


class ControlsForm(QtWidgets.QWidget):
    """`changed` fires after any control has changed, `unfolded` when the rarer ones appear."""

    changed = Signal()
    unfolded = Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.fields: dict[str, Field] = {}
        self._loading = False
        plain, more = _form(), _form()
        for control in controls.CONTROLS:
            field = self.fields[control.name] = field_for(control)
            field.changed.connect(self._changed)
            into = more if control.advanced else plain
            if control.kind == "truth":
                into.addRow("", field)
            else:
                label = QtWidgets.QLabel(control.label)
                set_tip(label, control.tip)
                label.setBuddy(field)
                into.addRow(label, field)
        self.advanced = QtWidgets.QWidget()
        self.advanced.setLayout(more)
        self.advanced.hide()
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(plain)
        column.addLayout(self._fold_row())
        column.addWidget(self.advanced)

    def _fold_row(self) -> QtWidgets.QHBoxLayout:
        self.fold = QtWidgets.QToolButton()
        self.fold.setText(_("Advanced"))
        self.fold.setCheckable(True)
        self.fold.setAutoRaise(True)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setArrowType(Qt.ArrowType.RightArrow)
        self.fold.toggled.connect(self._folded)
        self.presets = QtWidgets.QToolButton()
        self.presets.setText(f"{presets.MENU} ▾")
        self.presets.setStyleSheet("QToolButton::menu-indicator { image: none; }")  # it would lie over the text
        self.presets.setAutoRaise(True)
        self.presets.setPopupMode(QtWidgets.QToolButton.ToolButtonPopupMode.InstantPopup)
        set_tip(self.presets, presets.MENU_TIP)
        self.reset = QtWidgets.QToolButton()
        self.reset.setText(_("Reset"))
        self.reset.setAutoRaise(True)
        set_tip(self.reset, _("Set every control back to its default. The style stays."))
        self.reset.clicked.connect(lambda: self.set_values(controls.defaults()))
        row = QtWidgets.QHBoxLayout()
        row.addWidget(self.fold)
        row.addStretch(1)
        row.addWidget(self.presets)
        row.addWidget(self.reset)
        return row

    def offer_devices(self, devices: Sequence[Option]) -> None:
        """What the daemon can paint on, by name with its free memory."""
        field = self.fields["device"]
        assert isinstance(field, ChoiceField)
        field.offer(devices)

    def stand_in_for_selection(self, regions: bool) -> None:
        """Whether styles have regions, which say where is painted in the selection's place."""
        field = self.fields["use_selection"]
        field.setEnabled(not regions)
        set_tip(field, INSTEAD_OF_SELECTION if regions else controls.BY_NAME["use_selection"].tip)

    def values(self) -> Values:
        """What the controls say."""
        return {name: field.value() for name, field in self.fields.items()}

    def set_values(self, values: Values) -> None:
        """Show other values."""
        self._loading = True
        for name, value in controls.clean(values).items():
            self.fields[name].set_value(value)
        self._loading = False
        self._changed()

    def _changed(self) -> None:
        if not self._loading:
            self.changed.emit()

    def _folded(self, open_: bool) -> None:
        self.fold.setArrowType(Qt.ArrowType.DownArrow if open_ else Qt.ArrowType.RightArrow)
        self.advanced.setVisible(open_)
        if open_:
            self.unfolded.emit()


class FilmForm(QtWidgets.QWidget):
    """What only an animated layer has."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        rows = _form()
        self.fields = {control.name: field_for(control) for control in controls.FILM}
        for field in self.fields.values():
            if field.control.kind == "truth":
                rows.addRow("", field)
                continue
            label = QtWidgets.QLabel(field.control.label)
            set_tip(label, field.control.tip)
            label.setBuddy(field)
            rows.addRow(label, field)
        self.setLayout(rows)

    def manner(self) -> Manner:
        """How its frames are to be painted."""
        return Manner.of({name: field.value() for name, field in self.fields.items()})


def _form() -> QtWidgets.QFormLayout:
    form = QtWidgets.QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setHorizontalSpacing(8)
    form.setVerticalSpacing(6)
    form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return form
