"""The label ids a corpus has given; an id once given never changes."""

from pathlib import Path

from catalog.errors import CatalogError
from catalog.label_map import read_labels
from curate.ledger.fragments import datasets, fragments, read_result


def known_labels(out: Path) -> dict[str, dict[str, str]]:
    """Return the label map of a corpus, rebuilt from its fragments where the file cannot be read."""
    try:
        return read_labels(out)
    except CatalogError:
        return rebuilt_labels(out)


def rebuilt_labels(out: Path) -> dict[str, dict[str, str]]:
    """Return the label map that the fragments of all finished cases agree on: data set to label to four-digit id."""
    found: dict[str, dict[str, int]] = {}
    for dataset in datasets(out):
        for _, path in fragments(out, dataset):
            result = read_result(path)
            if result is not None:
                found.setdefault(dataset, {}).update(result.label_ids)
    return {
        dataset: {name: f"{number:04d}" for name, number in sorted(ids.items(), key=lambda item: item[1])}
        for dataset, ids in found.items()
    }
