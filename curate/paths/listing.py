"""Cached directory listings, to keep the number of metadata calls low on network file systems."""

import os
import unicodedata
from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from curate.errors import SourceError

_MAX_CACHED = 256
_LOOKUPS_BEFORE_LISTING = 4


class Listing:
    """The contents of one folder: maps names in NFC to names as written on disk; links count as their targets."""

    def __init__(self, files: dict[str, str], folders: dict[str, str]) -> None:
        self.files = files
        self.folders = folders
        self._sorted: dict[bool, list[str]] = {}

    def starting(self, prefix: str, files: bool) -> list[str]:
        """Return the names (in NFC) of the files, or else of the folders, that begin with `prefix`."""
        names = self._sorted.get(files)
        if names is None:
            names = self._sorted[files] = sorted(self.files if files else self.folders)
        if not prefix:
            return names
        low = high = bisect_left(names, prefix)
        while high < len(names) and names[high].startswith(prefix):
            high += 1
        return names[low:high]


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass
class Folders:
    """Look-ups below `root`; a folder is `""` or a relative path that ends with `/`.

    `warnings` collects the folders that could not be read.
    """

    root: Path
    warnings: list[str] = field(default_factory=list)
    _listings: OrderedDict[str, Listing] = field(default_factory=OrderedDict, repr=False)
    _lookups: dict[str, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            what = "is a file" if self.root.exists() else "does not exist"
            raise SourceError(f"the source folder {self.root} {what}; pass the folder of the data with --source")

    def listing(self, folder: str) -> Listing:
        """Return the contents of `folder`; empty if it does not exist or, with a warning, cannot be read."""
        found = self._listings.get(folder)
        if found is None:
            found = self._listings[folder] = self._list(folder)
            if len(self._listings) > _MAX_CACHED:
                self._listings.popitem(last=False)
        else:
            self._listings.move_to_end(folder)
        return found

    def _list(self, folder: str) -> Listing:
        listing = Listing({}, {})
        try:
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith("._") or name == ".DS_Store":  # metadata that macOS adds to archives
                        continue
                    if not _is_utf8(name):
                        self.warnings.append(f"{folder}{name!a} was skipped: its name is not UTF-8; rename it")
                        continue
                    key = name if name.isascii() else unicodedata.normalize("NFC", name)
                    try:
                        if entry.is_dir():
                            listing.folders[key] = name
                        elif entry.is_file():
                            listing.files[key] = name
                    except OSError as error:  # such as a link that leads to itself; the rest of the folder counts
                        self.warnings.append(f"{self.root / folder / name} was skipped: {error.strerror}")
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            self.warnings.append(f"{self.root / folder} was skipped: {error.strerror}")
        return listing

    def file(self, folder: str, name: str) -> str | None:
        """Return the name on disk of the file `name` (in NFC) in `folder`, or None."""
        if self._worth_listing(folder, name):
            return self.listing(folder).files.get(name)
        return name if os.path.isfile(f"{self.root}/{folder}{name}") else None  # noqa: PTH113

    def folder(self, folder: str, name: str) -> str | None:
        """Return the name on disk of the subfolder `name` (in NFC) in `folder`, or None."""
        if self._worth_listing(folder, name):
            return self.listing(folder).folders.get(name)
        return name if os.path.isdir(f"{self.root}/{folder}{name}") else None  # noqa: PTH112

    def path(self, path: str) -> str | None:
        """Return the relative path on disk of the file at `path` (in NFC), or None."""
        *above, name = path.split("/")
        here = ""
        if path.isascii():
            here = "".join(f"{part}/" for part in above)
        else:
            for part in above:
                real = self.folder(here, part)
                if real is None:
                    return None
                here += f"{real}/"
        found = self.file(here, name)
        return None if found is None else here + found

    def identity(self, folder: str) -> tuple[int, int] | None:
        """Return device and inode of `folder`, to detect links that lead back to a parent."""
        try:
            status = os.stat(self.root / folder)  # noqa: PTH116
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _worth_listing(self, folder: str, name: str) -> bool:
        """Return whether to list the folder: it is cached, was looked up often, or the name has two spellings."""
        if folder in self._listings or not name.isascii():
            return True
        if len(self._lookups) > _MAX_CACHED:
            self._lookups.clear()
        lookups = self._lookups[folder] = self._lookups.get(folder, 0) + 1
        return lookups > _LOOKUPS_BEFORE_LISTING
