"""One widget for each control of the shared table. Each has `value()`, `set_value(v)` and the signal `changed`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from vaporbrush_host.controls import Control, Option, from_slider, to_slider
from vaporbrush_host.ui_text import _
from vaporbrush_protocol.controls import MAX_SEED

from .habits import set_tip
from .qt import Qt, QtCore, QtWidgets, Signal

SLIDER_STEPS = 1000
SPIN_DIGITS = 8  # room for 100000.0 and 100.0000
DEFAULT_PIXELS = 1024


class Field(QtWidgets.QWidget):
    """A control's widget."""

    changed = Signal()

    def __init__(self, control: Control, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.control = control
        set_tip(self, control.tip)
        self.setObjectName(f"vaporbrush_{control.name}")
        self.row = QtWidgets.QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)

    def value(self) -> Any:
        """The control's value."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show a value that the control accepts."""
        raise NotImplementedError


class NumberField(Field):
    """A slider beside a number; logarithmic where the control is."""

    def __init__(self, control: Control, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(control, parent)
        self.slider = QtWidgets.QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, SLIDER_STEPS)
        self.slider.setPageStep(SLIDER_STEPS // 10)
        self.slider.setMinimumWidth(40)
        self.spin = QtWidgets.QDoubleSpinBox()
        self.spin.setDecimals(control.decimals)
        self.spin.setRange(control.low, control.high)
        self.spin.setButtonSymbols(QtWidgets.QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.spin.setKeyboardTracking(False)
        self.spin.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.spin.setFixedWidth(self.spin.fontMetrics().horizontalAdvance("0" * (SPIN_DIGITS + 2)))
        self.row.addWidget(self.slider, 1)
        self.row.addWidget(self.spin)
        self.slider.valueChanged.connect(self._slid)
        self.spin.valueChanged.connect(self._typed)
        self.set_value(control.default)

    def value(self) -> Any:
        """The number."""
        return self.spin.value()

    def set_value(self, value: Any) -> None:
        """Show the number; the slider follows."""
        self.spin.setValue(float(value))
        self._typed(self.spin.value())

    def _slid(self, place: int) -> None:
        self.spin.setValue(from_slider(self.control, place / SLIDER_STEPS))

    def _typed(self, value: Any) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(round(SLIDER_STEPS * to_slider(self.control, value)))
        self.slider.blockSignals(False)
        self.changed.emit()


class ChoiceField(Field):
    """A drop-down list."""

    def __init__(self, control: Control, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(control, parent)
        self.box = _combo()
        for option in control.options:
            self.box.addItem(option.label, option.value)
            self.box.setItemData(self.box.count() - 1, option.tip or None, Qt.ItemDataRole.ToolTipRole)
        self.row.addWidget(self.box, 1)
        self.set_value(control.default)
        self.box.currentIndexChanged.connect(lambda _index: self.changed.emit())

    def offer(self, options: Sequence[Option]) -> None:
        """Add what this machine has, or say it anew; what is chosen stays chosen."""
        for option in options:
            index = self.box.findData(option.value)
            if index < 0:
                self.box.addItem(option.label, option.value)
            elif self.box.itemText(index) != option.label:
                self.box.setItemText(index, option.label)

    def value(self) -> Any:
        """The recipe's word."""
        return self.box.currentData()

    def set_value(self, value: Any) -> None:
        """Choose an entry; a word that is not in the list (another machine's device) is added."""
        index = self.box.findData(value)
        if index < 0:
            self.box.addItem(str(value), value)
            index = self.box.count() - 1
        self.box.setCurrentIndex(index)


class TruthField(Field):
    """A check box, which carries its own label."""

    def __init__(self, control: Control, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(control, parent)
        self.box = QtWidgets.QCheckBox(control.label)
        self.row.addWidget(self.box, 1)
        self.set_value(control.default)
        self.box.toggled.connect(lambda _on: self.changed.emit())

    def value(self) -> Any:
        """Yes or no."""
        return self.box.isChecked()

    def set_value(self, value: Any) -> None:
        """Tick it or not."""
        self.box.setChecked(bool(value))


class SizeField(Field):
    """Automatic, full size, or a number of pixels."""

    def __init__(self, control: Control, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(control, parent)
        self.box = _combo()
        self.box.addItem(_("Automatic"), "auto")
        self.box.addItem(_("Full size"), "full")
        self.box.addItem(_("Pixels"), "pixels")
        self.spin = QtWidgets.QSpinBox()
        self.spin.setRange(int(control.low), int(control.high))
        self.spin.setSuffix(_(" px"))
        self.spin.setSingleStep(64)
        self.spin.setKeyboardTracking(False)
        self.spin.setValue(DEFAULT_PIXELS)
        self.box.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        self.row.addWidget(self.box, 1)
        self.row.addWidget(self.spin)
        self.box.currentIndexChanged.connect(self._chosen)
        self.spin.valueChanged.connect(lambda _value: self.changed.emit())
        self.set_value(control.default)

    def value(self) -> Any:
        """ "auto", "full" or the number."""
        chosen = self.box.currentData()
        return self.spin.value() if chosen == "pixels" else chosen

    def set_value(self, value: Any) -> None:
        """Show it."""
        if not isinstance(value, str):
            self.spin.setValue(int(value))
        self.box.setCurrentIndex(self.box.findData(value if isinstance(value, str) else "pixels"))
        self._chosen()

    def suggest(self, pixels: int) -> None:
        """The layer's own size, to begin with where a number is chosen."""
        if self.box.currentData() != "pixels":
            self.spin.blockSignals(True)
            self.spin.setValue(pixels)
            self.spin.blockSignals(False)

    def _chosen(self, _index: int = 0) -> None:
        self.spin.setVisible(self.box.currentData() == "pixels")
        self.changed.emit()


class WholeField(Field):
    """A whole number; the seed has a button for another one, and `steps` a word for None."""

    def __init__(self, control: Control, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(control, parent)
        self.spin = QtWidgets.QSpinBox()
        optional = control.kind == "steps"
        self.spin.setRange(0 if optional else int(control.low), int(control.high))
        self.spin.setKeyboardTracking(False)
        if optional:
            self.spin.setSpecialValueText(control.unset)
        self.row.addWidget(self.spin, 1)
        if control.name == "seed":
            button = QtWidgets.QToolButton()
            button.setText(_("New"))
            button.setToolTip(_("Take another seed: another variation."))
            button.clicked.connect(lambda: self.spin.setValue(secrets.randbelow(MAX_SEED)))
            self.row.addWidget(button)
        self.set_value(control.default)
        self.spin.valueChanged.connect(lambda _value: self.changed.emit())

    def value(self) -> Any:
        """The number, or None."""
        value = self.spin.value()
        return None if self.control.kind == "steps" and value == 0 else value

    def set_value(self, value: Any) -> None:
        """Show it."""
        self.spin.setValue(0 if value is None else int(value))


class WeightsField(Field):
    """Five numbers, or empty."""

    def __init__(self, control: Control, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(control, parent)
        self.edit = QtWidgets.QLineEdit()
        self.edit.setPlaceholderText(control.unset)
        self.edit.setClearButtonEnabled(True)
        self.row.addWidget(self.edit, 1)
        self.set_value(control.default)
        self.edit.editingFinished.connect(self._typed)

    def value(self) -> Any:
        """The numbers; None where the field is empty or is not five numbers (it then shows so)."""
        return self._parsed()

    def set_value(self, value: Any) -> None:
        """Show them."""
        self.edit.setText("" if value is None else "  ".join(f"{number:g}" for number in value))

    def _typed(self) -> None:
        if self._parsed() is None and self.edit.text().strip():
            QtWidgets.QToolTip.showText(
                self.mapToGlobal(QtCore.QPoint(0, self.height())), _("Five numbers, as in: 1 0.5 0.2 0.1 0.1"), self
            )
            self.edit.selectAll()
        self.changed.emit()

    def _parsed(self) -> tuple[float, ...] | None:
        try:
            numbers = tuple(float(word) for word in self.edit.text().replace(",", " ").split())
        except ValueError:  # shown as wrong
            return None
        return numbers if numbers and self.control.accepts(numbers) else None


def _combo() -> QtWidgets.QComboBox:
    box = QtWidgets.QComboBox()
    # a long entry must not widen the docker beyond what the painter gave it
    box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(6)
    return box


MAKERS = {
    "number": NumberField,
    "choice": ChoiceField,
    "truth": TruthField,
    "size": SizeField,
    "whole": WholeField,
    "steps": WholeField,
    "weights": WeightsField,
}


def field_for(control: Control) -> Field:
    """The widget for a control."""
    return MAKERS[control.kind](control)
