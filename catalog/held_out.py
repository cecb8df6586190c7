"""Datasets held out of training: a YAML file that lists them under the split that they make up.

    unseen_val:
      - Prostate-Cancer-MRI
    unseen_test:
      - Kvasir-SEG
      - MC_SZ_CXR/MCUCXR_*

An entry is a dataset, or DATASET/CASE with `*` and `?` in the case. A mask that matches an entry belongs to that split
alone; every other split, `train` included, is without it.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog.errors import DataError
from catalog.images import codes

HeldOut = Mapping[str, tuple[str, ...]]
"""Entries by split."""
NOTHING: HeldOut = MappingProxyType({})


def read_held_out(path: Path) -> HeldOut:
    """Read a file of held-out datasets.

    Raises:
        DataError: it cannot be read, or is not lists of datasets by split.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not all(
        isinstance(entries, list) and all(isinstance(entry, str) for entry in entries) for entries in content.values()
    ):
        raise DataError(
            f"{path}: write lists of datasets by split, such as `unseen_test: [Kvasir-SEG, KiTS23/case_1*]`"
        )
    return {str(split): tuple(entries) for split, entries in content.items()}


def held_out_rows(table: pa.Table, held_out: HeldOut) -> dict[str, NDArray[np.bool_]]:
    """Return for each split which rows of a table with the columns `dataset` and `case` it holds out.

    Raises:
        DataError: two splits hold out the same mask.
    """
    (dataset, datasets), (case, cases) = codes(table["dataset"]), codes(table["case"])
    found: dict[str, NDArray[np.bool_]] = {}
    taken = np.zeros(len(table), np.bool_)
    for split, entries in held_out.items():
        rows = np.zeros(len(table), np.bool_)
        for entry in entries:
            name, _, pattern = entry.partition("/")
            here = np.append(np.array(datasets.to_pylist(), object) == name, False)[dataset]
            if pattern:
                matches = [fnmatchcase(one, pattern) for one in cases.to_pylist()]
                here &= np.append(np.array(matches, np.bool_), False)[case]
            rows |= here
        if (rows & taken).any():
            first = int(np.flatnonzero(rows & taken)[0])
            raise DataError(
                f"{table['dataset'][first].as_py()}/{table['case'][first].as_py()} is held out by two splits: leave it "
                "in one"
            )
        taken |= rows
        found[split] = rows
    return found
