"""The recipes of DICOM samples: every series is found with its labels, and masks come out."""

from pathlib import Path

import pytest

from curate.discovery.cases import find_cases
from curate.labels.base import LabelFile
from curate.labels.registry import ENCODINGS
from curate.readers import read
from tests.recipes.test_recipes import DICOM_SAMPLES, recipe


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("stem", DICOM_SAMPLES)
def test_every_series_has_its_labels(stem: str, shared_data: Path) -> None:
    folder, count = DICOM_SAMPLES[stem]
    if not (shared_data / folder).is_dir():
        pytest.skip(f"the real data has no {folder}")
    found = find_cases(recipe(stem), shared_data / folder)
    assert len(found.cases) == count
    assert not found.unnamed
    assert not found.warnings
    for case in found.cases:
        group = found.recipe.groups[case.group]
        image = read(case.image)
        files = [LabelFile(word, source) for word, source in case.labels]
        assert len(files) == 1
        decoded = ENCODINGS[group.encoding].decode(group, files, image)
        assert any((layer.classes[layer.voxels] > 0).any() for layer in decoded.layers)
        assert not decoded.resampled
