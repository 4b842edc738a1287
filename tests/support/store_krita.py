"""A person's folders on Windows, and a Krita from the Microsoft Store: what it writes into AppData, it alone sees."""

from __future__ import annotations

from pathlib import Path

PACKAGE = "49800Krita_tqvvhr6dqh2y8"


class StoreKrita:
    """The folders, below any folder; and two ways to be that Krita. `environment` is what every program there has."""

    def __init__(self, base: Path) -> None:
        self.user = base / "Users" / "ada"
        self.local, self.roaming = self.user / "AppData" / "Local", self.user / "AppData" / "Roaming"
        self.cache = self.local / "Packages" / PACKAGE / "LocalCache"
        for folder in (self.local, self.roaming, self.cache / "Local", self.cache / "Roaming"):
            folder.mkdir(parents=True)
        self.environment = {
            "USERPROFILE": str(self.user),
            "LOCALAPPDATA": str(self.local),
            "APPDATA": str(self.roaming),
        }

    def prefix(self) -> tuple[str, ...]:
        """The prefix of a command that is run as that Krita, on Linux: its AppData is the package's."""
        mounts = [
            f"mount --bind '{self.cache / name}' '{place}'"
            for name, place in (("Roaming", self.roaming), ("Local", self.local))
        ]
        return ("unshare", "-m", "sh", "-c", f'{" && ".join(mounts)} && exec "$0" "$@"')

    def redirect(self, name: str) -> Path:
        """A folder in AppData that is in truth the package's, as Windows shows one to that Krita (and tells, if it is
        asked where a file really is). Returns it as Krita calls it.
        """
        real, shown = self.cache / "Local" / name, self.local / name
        real.mkdir()
        shown.symlink_to(real, target_is_directory=True)
        return shown
