"""`Gimp` and `GObject`: a choice remembers its words, a procedure the arguments that it is given."""

from __future__ import annotations

from typing import Any


class GObject:
    class ParamFlags:
        READWRITE = 3


class Gimp:
    class FileChooserAction:
        ANY = 0

    class Choice:
        def __init__(self) -> None:
            self.words: list[str] = []

        @classmethod
        def new(cls) -> Gimp.Choice:
            return cls()

        def add(self, word: str, _number: int, _label: str, _tip: str) -> None:
            self.words.append(word)

    class Procedure:
        def __init__(self) -> None:
            self.arguments: dict[str, tuple[Any, ...]] = {}

        def __getattr__(self, name: str) -> Any:
            """`add_double_argument`, `add_choice_argument` and so on: the name, then whatever else."""
            if not name.startswith("add_"):
                raise AttributeError(name)
            return lambda argument, *rest: self.arguments.update({argument: (name, *rest)})
