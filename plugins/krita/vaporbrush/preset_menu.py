"""The menu of presets: choose one, keep what the docker shows as one, and what is done with their files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from vaporbrush_host import presets
from vaporbrush_host.controls import Values
from vaporbrush_host.request import StyleRef
from vaporbrush_protocol.endpoint import home, native, portable
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.preset_archive import SUFFIX, pack, unpack
from vaporbrush_protocol.presets import PresetStore

from . import sources
from .colour_space import LayerError
from .controller import Controller
from .habits import menu_entry
from .qt import QtGui, QtWidgets

T = TypeVar("T")
NAME_WIDTH = 360  # px; a name of the usual length is seen whole


class Shows(Protocol):
    """What has controls and styles: the docker."""

    def values(self) -> Values:
        """What the controls say."""

    def refs(self) -> tuple[StyleRef, ...]:
        """The chosen styles."""

    def load(self, remembered: tuple[Values, tuple[StyleRef, ...]]) -> None:
        """Show others."""

    def say(self, text: str, error: bool = False) -> None:
        """A sentence for the painter."""


class PresetMenu(QtWidgets.QMenu):
    """Filled whenever it opens: another program may have kept a preset meanwhile."""

    def __init__(self, controller: Controller, shows: Shows, window: QtWidgets.QWidget) -> None:
        super().__init__(window)
        self._controller = controller
        self._shows = shows
        self._window = window
        self.store = PresetStore(controller.home or home())
        self.setToolTipsVisible(True)
        self.aboutToShow.connect(self.fill)

    def fill(self) -> None:
        """The presets there are, then what can be done."""
        self.clear()
        names = self._tried(self.store.names) or []
        for name in names:
            self._entry(self, name, partial(self.choose, name))
        if not names:
            self._entry(self, presets.NONE_YET, lambda: None).setEnabled(False)
        self.addSeparator()
        self._entry(self, presets.SAVE, self.save, literal=False).setEnabled(bool(self._shows.refs()))
        self._entry(self, presets.IMPORT, self.take_in, literal=False)
        for title, act in ((presets.EXPORT, self.export), (presets.DELETE, self.delete)):
            below = self.addMenu(title)
            assert below is not None
            below.setEnabled(bool(names))
            for name in names:
                self._entry(below, name, partial(act, name))

    def _entry(
        self, menu: QtWidgets.QMenu, text: str, act: Callable[[], object], *, literal: bool = True
    ) -> QtGui.QAction:
        return menu_entry(menu, text.replace("&", "&&") if literal else text, lambda: self._tried(act))

    def _tried(self, act: Callable[[], T]) -> T | None:
        """Do something; what is wrong is said."""
        try:
            return act()
        except VaporbrushError as error:
            self._shows.say(error.message, True)
        except LayerError as error:
            self._shows.say(str(error), True)
        return None

    def choose(self, name: str) -> None:
        """Show a preset's styles and values."""
        preset = self.store.load(name)
        refs = presets.refs_of(preset, lambda path: portable(str(path)))
        alone = refs[0].name if len(refs) == 1 and refs[0].kind == "bundled" else ""
        tuned = next((style.tuned for style in self._controller.bundled if style.name == alone), {})
        self._shows.load((presets.values_of(preset, tuned, self._shows.values()), refs))

    def save(self) -> None:
        """Keep what the docker shows."""
        name = self._asked_name()
        if not name:
            return
        taken = self.store.find(name)
        if taken is not None and not self._confirmed(presets.replace_question(taken)):
            return
        styles = [sources.kept(ref, self._controller.bundled) for ref in self._shows.refs()]
        settings = presets.settings_of(self._shows.values())
        preset = self.store.save(name, styles, settings, replace=taken is not None)
        self._shows.say(presets.saved(preset, regions=any(ref.region for ref in self._shows.refs())))

    def take_in(self) -> None:
        """Take a preset out of a file, and show it."""
        path, _kind = QtWidgets.QFileDialog.getOpenFileName(self._window, presets.IMPORT, "", self._files())
        if not path:
            return
        preset = unpack(self.store, Path(native(path)))
        self.choose(preset.name)
        self._shows.say(presets.saved(preset))

    def export(self, name: str) -> None:
        """Write a preset to a file."""
        path, _kind = QtWidgets.QFileDialog.getSaveFileName(
            self._window, presets.EXPORT, f"{name}{SUFFIX}", self._files()
        )
        if path:
            pack(self.store, name, Path(native(path)))
            self._shows.say(presets.exported(name, path))

    def delete(self, name: str) -> None:
        """Forget a preset."""
        if self._confirmed(presets.delete_question(name)):
            self.store.delete(name)

    def _files(self) -> str:
        return f"{presets.MENU} ({presets.PATTERN})"

    def _asked_name(self) -> str:
        dialog = QtWidgets.QInputDialog(self._window)
        dialog.setWindowTitle(presets.MENU)
        dialog.setLabelText(presets.ASK_NAME)
        dialog.resize(NAME_WIDTH, dialog.height())
        return dialog.textValue() if dialog.exec() else ""

    def _confirmed(self, question: str) -> bool:
        buttons = QtWidgets.QMessageBox.StandardButton
        answer = QtWidgets.QMessageBox.question(self._window, presets.MENU, question, buttons.Yes | buttons.No)
        return answer == buttons.Yes
