"""What the tests of curation share."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the indexes of DICOM folders out of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def oracles(shared_data: Path) -> Path:
    """The folder of DICOM files with what other converters make of them."""
    folder = shared_data / "dicom_oracles"
    if not folder.is_dir():
        pytest.skip("the real data has no dicom_oracles")
    return folder
