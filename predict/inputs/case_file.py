"""A file of the folder of cases, and what identifies its content and prompts."""

import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from curate.inputs import FileInput
from curate.readers import companions
from predict.inputs.input_options import InputOptions
from predict.inputs.kinds import stem_of
from predict.inputs.label_files import label_suffixes


@dataclass(frozen=True)
class CaseFile:
    """One file that is a case.

    path: The file.
    name: The case's name: the file's name below the folder of cases, without suffix where that is unique.
    stem: The name of its result below the folder of results, without suffix.
    options: The prompts of all cases, and how they are read.
    """

    path: Path
    name: str
    stem: str
    options: InputOptions

    @classmethod
    def from_path(cls, path: Path, options: InputOptions | None = None) -> Self:
        """Return the case of one file, called by its name without suffix."""
        name = stem_of(path.name)
        return cls(path, unicodedata.normalize("NFC", name), name, options or InputOptions())

    def fingerprint(self) -> str:
        """Return a SHA-256 of the size and time of the case's files and of its prompts."""
        options = self.options
        folders = (options.masks, options.truth if options.score or options.boxes_from_truth else None)
        labels = [folder.find(self.stem, label_suffixes(self.path)) for folder in folders if folder is not None]
        inputs = [FileInput.at(path) for path in (self.path, *labels) if path is not None]
        stamps = [one.stamps(companions(one)) for one in inputs]
        boxes, points = options.boxes.get(self.name), options.points.get(self.name)
        prompts = (
            None if boxes is None else (boxes.boxes.tolist(), boxes.names),
            None if points is None else points.tolist(),
        )
        read = (options.whole, options.boxes_from_truth, options.jitter, options.seed, options.window, options.score)
        return hashlib.sha256(repr((stamps, prompts, read)).encode()).hexdigest()
