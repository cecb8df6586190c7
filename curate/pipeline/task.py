"""One case to be done, complete in itself."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.names import modality_token
from curate.discovery.cases import Case
from curate.ledger.case_key import CaseKey
from curate.masks.unions import union_labels
from curate.recipe.resolved import Group, Label

HIDDEN_SOURCE = "hidden:"
"""Begins the name of a source folder that is not to be known."""


@dataclass(frozen=True)
class Task:
    """Everything one case needs: picklable, and complete without the recipe or the corpus.

    `key` names the case among all of its data set; `columns` are the catalog's columns that are the same for every row
    of the data set; `limit` is the most bytes a decoded file may take; `run` is the id of the run.
    """

    case: Case
    key: CaseKey
    group: Group
    source: Path
    out: Path
    store: str
    label_ids: dict[str, int]
    columns: dict[str, Any]
    keep_empty: bool
    limit: int
    fingerprint: str = ""
    run: str = ""

    @property
    def source_name(self) -> str:
        """What the case's record calls the source folder: its path; of DICOM a hash, since a folder may be a name."""
        if self.group.series is None:
            return str(self.source)
        return HIDDEN_SOURCE + hashlib.sha256(str(self.source).encode()).hexdigest()[:16]


def case_key(case: Case, group: Group) -> CaseKey:
    """Return the key of a case of `group`."""
    return CaseKey(tokens(group)[0], case.case)


def tokens(group: Group) -> list[str]:
    """Return the first part of the names of each channel's images."""
    return [modality_token(channel.modality, channel.sequence) for channel in group.channels]


def labels_by_class(group: Group) -> dict[int, Label]:
    """Return the labels and unions of a group by the class number their masks carry."""
    unions = union_labels(group.labels).values() if group.union else ()
    return {label.id: label for label in (*group.labels, *unions)}
