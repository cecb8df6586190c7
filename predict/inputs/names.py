"""Which case a name in a file of boxes or points means."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeVar

from predict.errors import CaseFault, InputError
from predict.inputs.kinds import stem_of

T = TypeVar("T")
SHOWN = 3


@dataclass(frozen=True)
class CaseNames:
    """The names of all cases of a run.

    files: The file of each case, relative to the folder of cases, to the case's name.
    """

    files: Mapping[str, str]

    def find(self, word: str, fits: Callable[[str], bool] = lambda file: True) -> str:
        """Return the name of the case that a word means.

        A word is a file's name or path, with or without suffix: relative to the folder of cases, a longer path that
        ends so, or the bare file name where it is unique. Where several files have the name, those that `fits` accepts
        are meant.

        Raises:
            InputError: no case is called so, or several.
        """
        word = unicodedata.normalize("NFC", word).replace("\\", "/").removeprefix("./")
        parts = word.split("/")
        longest_first = ["/".join(parts[start:]) for start in range(len(parts))]
        found = next((self._paths[end] for end in longest_first if end in self._paths), [])
        if not found and len(parts) == 1:
            found = self._bare.get(word, [])
        if len(found) > 1:
            found = [name for name in found if fits(self._file[name])] or found
        if not found:
            raise InputError(CaseFault.MISSING, "no case of this name was found")
        if len(found) > 1:
            listed = ", ".join(file for file, name in self.files.items() if name in found[:SHOWN])
            message = f"{len(found)} cases have this name ({listed}): write the folder and the suffix too"
            raise InputError(CaseFault.AMBIGUOUS, message)
        return found[0]

    @cached_property
    def _file(self) -> dict[str, str]:
        return {name: file for file, name in self.files.items()}

    @cached_property
    def _paths(self) -> dict[str, list[str]]:
        """The cases of each path, with and without suffix."""
        return _index((form, name) for file, name in self.files.items() for form in (file, stem_of(file)))

    @cached_property
    def _bare(self) -> dict[str, list[str]]:
        """The cases, in any folder, of each bare file name, with and without suffix."""
        files = [(file.rpartition("/")[2], name) for file, name in self.files.items()]
        return _index((form, name) for file, name in files for form in (file, stem_of(file)))


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for form, name in pairs:
        found.setdefault(form, []).append(name)
    return found


def by_case(
    table: Mapping[str, T], names: CaseNames, what: str, fits: Callable[[T, str], bool]
) -> tuple[dict[str, T], dict[str, InputError]]:
    """Return the entries of a table by the name of their case, and the fault of each word that means no one case.

    Two words for one case are a fault of that case.

    Args:
        table: Boxes or points by the word that the user calls their case.
        names: The names of all cases.
        what: `boxes` or `points`, for messages.
        fits: Whether an entry can be one of a file of this name.
    """
    entries: dict[str, T] = {}
    words: dict[str, str] = {}
    faults: dict[str, InputError] = {}
    for word, entry in table.items():
        try:
            name = names.find(word, partial(fits, entry))
        except InputError as error:
            faults[word] = InputError(error.fault, f"{what} are given for it, but {error}")
            continue
        if name in words:
            message = f"{what} are given for it under two names, {words[name]} and {word}: use one of them"
            faults[name] = InputError(CaseFault.PROMPT_TWICE, message)
        words[name] = word
        entries[name] = entry
    return {name: entry for name, entry in entries.items() if name not in faults}, faults
