"""Pictures are written in the format of their suffix."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog.errors import CatalogError, OutputError
from catalog.report.pictures import write_picture

PIXELS = np.kron(np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8), np.ones((8, 8, 1), np.uint8))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.jpeg", "JPEG"), ("a.webp", "WEBP"), ("a.PNG", "PNG"), ("b.JPG", "JPEG")],
)
def test_the_suffix_is_the_format(name: str, kind: str, tmp_path: Path) -> None:
    write_picture(tmp_path / name, PIXELS)
    with Image.open(tmp_path / name) as image:
        assert image.format == kind
        found = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(found - PIXELS).mean() < (1 if kind == "PNG" else 12)
    if kind == "PNG":
        assert (found == PIXELS).all()


@pytest.mark.parametrize(("name", "shown"), [("a.gif", r"\.gif"), ("a.tiff", r"\.tiff"), ("a", "without a suffix")])
def test_other_suffixes_are_refused(name: str, shown: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=rf"written as \.png, \.jpg, \.jpeg, \.webp, not {shown}") as caught:
        write_picture(tmp_path / name, PIXELS)
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_a_missing_folder_is_an_output_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written") as caught:
        write_picture(tmp_path / "absent" / name, PIXELS)
    assert caught.value.exit_code == 1
