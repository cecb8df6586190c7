"""labels.json: the id of each label, per data set. An id never changes once it is assigned."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from catalog.errors import CatalogError

FILE = "labels.json"
MAX_ID = 9999
"""Ids have four digits in file names."""

LabelMap = dict[str, dict[str, str]]
"""{data set: {label: "0001"}}, the nesting of SA-Med2D-20M's SAMed2D_v1_class_mapping_id.json."""


def read_labels(root: Path) -> LabelMap:
    """Return the label map of the corpus at `root`; empty if it has none.

    Raises:
        CatalogError: The file is damaged.
    """
    path = root / FILE
    if not path.exists():
        return {}
    try:
        labels: LabelMap = json.loads(path.read_text("utf-8"))
        for dataset, ids in labels.items():
            odd = [number for number in ids.values() if not re.fullmatch("[0-9]{4}", number)]
            if odd:
                raise ValueError(f"the id {odd[0]!r} of {dataset} does not have four digits")
            if len(set(ids.values())) < len(ids):
                raise ValueError(f"two labels of {dataset} have the same id")
    except (ValueError, AttributeError, TypeError) as error:
        raise CatalogError(f"{path} is not a label map: {error}. Restore it: file names depend on its ids") from error
    return labels


def with_labels(labels: LabelMap, dataset: str, names: Iterable[str]) -> LabelMap:
    """Return a label map with an id for each of `names`: known labels keep theirs, new ones get the next ids.

    Raises:
        CatalogError: The data set would have more than 9999 labels.
    """
    ids = dict(labels.get(dataset, {}))
    following = max((int(number) for number in ids.values()), default=0) + 1
    for name in names:
        if name not in ids:
            ids[name] = f"{following:04d}"
            following += 1
    if following - 1 > MAX_ID:
        raise CatalogError(f"{dataset} would have {following - 1} labels; file names have room for {MAX_ID}")
    return {**labels, dataset: ids}
