"""What the readers of all stores share: safe paths, and errors that name the file."""

from pathlib import Path

from catalog.errors import CatalogError


def locate(root: Path, path: str) -> Path:
    """Return the file that a path of the catalog names; CatalogError if it is outside of the corpus."""
    relative = Path(path)
    if relative.is_absolute() or ".." in relative.parts or "\0" in path:
        raise CatalogError(f"the catalog refers to {path!r}, outside of its corpus at {root}")
    return root / relative


def check_position(index: int | None, count: int, path: str) -> int:
    """Return `index` if the container at `path`, which holds `count` entries, has it; else raise CatalogError."""
    if index is None or not 0 <= index < count:
        raise CatalogError(
            f"{path} holds {count} entries, but the catalog refers to number {index}: catalog and files do not match"
        )
    return index


def unreadable(path: str, reason: object) -> CatalogError:
    """Return the error of a missing or damaged file."""
    return CatalogError(f"{path} is missing or damaged ({reason}). Restore it, or curate its data set again")
