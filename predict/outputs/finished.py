"""The journal of finished cases in the folder of results: the same command goes on where it stopped.

`.predict.jsonl` gets a line for each case when its result is about to be written, and one when it is finished, with a
key of all that the result depends on. A case with the same key is finished; one with another key is segmented again.
A file at the place of a result that no line names was not written by `predict`, and is not overwritten.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from catalog.errors import OutputError
from predict.errors import CaseFault, InputError
from predict.inputs.case import CaseSource
from predict.inputs.walk import JOURNAL
from predict.notes import Note, NoteKind
from predict.outputs.summary import Outcome

VERSION = 1
"""Part of every key: raised when the same settings give other results."""


class Remaining(NamedTuple):
    """What is left to do: cases to segment, those finished before, and those that must not be written."""

    todo: list[CaseSource]
    finished: list[Outcome]
    refused: dict[str, InputError]


@dataclass
class _Entry:
    key: str
    outcome: Outcome | None = None


class FinishedCases:
    """The finished cases of a folder of results.

    Args:
        out: The folder.
        settings: All settings of the run that its results depend on.
    """

    def __init__(self, out: Path, settings: Iterable[object]) -> None:
        self._out, self._settings = out, repr((VERSION, *settings))
        self._entries: dict[str, _Entry] = {}
        self._torn = False
        for line in self._lines():
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue  # a line that a kill cut short: its case is not finished

    def remaining(self, sources: Sequence[CaseSource], overwrite: bool = False) -> Remaining:
        """Return which cases are left to do; all of them with `overwrite`."""
        todo, finished, refused = [], [], {}
        for source in sources:
            target = source.target.as_posix()
            entry = self._entries.get(target)
            if not overwrite and entry is not None and (outcome := self._outcome(entry, source)) is not None:
                finished.append(outcome)
            elif not overwrite and entry is None and (self._out / target).exists():
                message = f"{self._out / target} is there, and `predict` did not write it: give --overwrite or --out"
                refused[source.name] = InputError(CaseFault.NOT_OURS, message)
            else:
                todo.append(source)
        return Remaining(todo, finished, refused)

    def begin(self, source: CaseSource) -> None:
        """Note that the results of a case are about to be written."""
        self._append({"target": source.target.as_posix(), "key": ""})

    def finish(self, source: CaseSource, outcome: Outcome) -> None:
        """Note that a case is finished, and remove files of an earlier result that are no longer part of it."""
        target = source.target.as_posix()
        before = self._entries.get(target)
        if before is not None and before.outcome is not None:
            for file in {*before.outcome.files} - {*outcome.files}:
                (self._out / file).unlink(missing_ok=True)
        self._append({"target": target, "key": self._key(source), "outcome": asdict(outcome)})

    def outcomes(self) -> list[Outcome]:
        """Return all finished cases of the folder, also those of other runs, whose files are there."""
        found = [entry.outcome for entry in self._entries.values() if entry.outcome is not None]
        return sorted((one for one in found if self._is_there(one)), key=lambda outcome: outcome.target)

    def _outcome(self, entry: _Entry, source: CaseSource) -> Outcome | None:
        """Return the outcome of a case that is finished with these settings."""
        outcome = entry.outcome
        if not entry.key or outcome is None or not self._is_there(outcome):
            return None
        return outcome if entry.key == self._key(source) else None

    def _is_there(self, outcome: Outcome) -> bool:
        return all((self._out / file).is_file() for file in outcome.files)

    def _key(self, source: CaseSource) -> str:
        try:
            content = source.fingerprint()
        except (OSError, InputError):
            return ""  # reading the case says what is wrong
        return hashlib.sha256(f"{self._settings}\0{content}".encode()).hexdigest()

    def _lines(self) -> list[str]:
        try:
            text = (self._out / JOURNAL).read_text("utf-8", "replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OutputError(f"{self._out / JOURNAL} cannot be read: {error.strerror or error}") from error
        self._torn = bool(text) and not text.endswith("\n")
        return text.splitlines()

    def _take(self, line: Mapping[str, Any]) -> None:
        outcome = line.get("outcome")
        before = self._entries.get(line["target"])
        if outcome is None and before is not None:
            before.key = ""  # it was begun again
            return
        self._entries[line["target"]] = _Entry(line["key"], None if outcome is None else _outcome_of(outcome))

    def _append(self, line: dict[str, Any]) -> None:
        text = json.dumps(line)
        self._take(json.loads(text))
        try:
            with (self._out / JOURNAL).open("a", encoding="utf-8") as file:
                file.write("\n" * self._torn + text + "\n")
        except OSError as error:
            raise OutputError(f"{self._out / JOURNAL} cannot be written: {error.strerror or error}") from error
        self._torn = False


def _outcome_of(fields: Mapping[str, Any]) -> Outcome:
    notes = tuple(Note(NoteKind(note["kind"]), note["text"], note["count"]) for note in fields["notes"])
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    return Outcome(**(values | {"notes": notes}))
