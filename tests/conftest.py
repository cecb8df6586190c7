"""What all tests share: the real data beside the checkout, where they are there."""

from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.fixtures"]

settings.register_profile("patient", deadline=None)  # a crowded machine is no fault of the code
settings.load_profile("patient")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that rewrites stored texts."""
    parser.addoption("--update-golden", action="store_true", help="Rewrite tests/golden/messages.txt from the code.")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images with masks; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the real images of {SHARED_DATA.parent.name}/{SHARED_DATA.name} beside the checkout")
    return SHARED_DATA
