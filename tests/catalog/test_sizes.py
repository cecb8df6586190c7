"""Byte sizes, read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("1000", 1000),
        ("8G", 8 << 30),
        ("8g", 8 << 30),
        ("8GB", 8 << 30),
        ("8GiB", 8 << 30),
        ("8Gi", 8 << 30),
        ("8 GB", 8 << 30),
        (" 500M ", 500 << 20),
        ("1.5K", 1536),
        ("2T", 2 << 40),
        ("7B", 7),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "8X", "-1G", "0", "0G", "0.0001", "1,5G", "8 G B", "1e3", "8i", "nan"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (7, "7 B"),
        (999, "999 B"),
        (1000, "0.98 KB"),
        (1024, "1 KB"),
        (1536, "1.5 KB"),
        (10240, "10 KB"),
        (999 << 20, "999 MB"),
        (1000 << 20, "0.98 GB"),
        (8 << 30, "8 GB"),
        (1.25 * 2**40, "1.25 TB"),
        (5000 * 2**40, "5000 TB"),
        (-(2 << 20), "-2 MB"),
    ],
)
def test_sizes_are_written(size: float, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(1, 1 << 45))
def test_what_is_written_is_read_back_within_rounding(size: int) -> None:
    assert parse_size(format_size(size)) == pytest.approx(size, rel=0.006, abs=0.5)
