"""The stores by name. A new store is one module, and one entry here."""

from collections.abc import Callable
from dataclasses import dataclass

from catalog.errors import CatalogError
from catalog.stores.base import HubConfig, Store


@dataclass(frozen=True)
class StoreRecord:
    """What is known of a store without loading it.

    Attributes:
        name: The name that `--store` takes.
        suffix: The suffix of its paths in the catalog.
        summary: A few words for `--help`.
        load: Returns the store.
        hub: How Hugging Face `datasets` loads its images; None if it cannot.
    """

    name: str
    suffix: str
    summary: str
    load: Callable[[], Store]
    hub: HubConfig | None = None


def _png() -> Store:
    from catalog.stores.png import PngStore

    return PngStore()


def _npz() -> Store:
    from catalog.stores.npz import NpzStore

    return NpzStore()


def _shards() -> Store:
    from catalog.stores.shards import ShardStore

    return ShardStore()


_PNG_HUB = HubConfig(("metadata.parquet", "images/*/*.png", "masks/*/*.png"), listed=True)
_SHARDS_HUB = HubConfig(
    ("shards/*/*.parquet",),
    (("name", "dtype: string"), ("image", "dtype: image"), ("masks", "list: image"), ("mask_names", "list: string")),
)

_RECORDS = {
    record.name: record
    for record in (
        StoreRecord("png", ".png", "one PNG file for each image and mask", _png, _PNG_HUB),
        StoreRecord("npz", ".npz", "one NumPy file for each image and its masks", _npz),
        StoreRecord("shards", ".parquet", "Parquet files of 256 MB that hold PNGs", _shards, _SHARDS_HUB),
    )
}


def register(record: StoreRecord) -> None:
    """Add a store, for this process."""
    for other in _RECORDS.values():
        if record.name == other.name or record.suffix == other.suffix:
            raise ValueError(
                f"the store {record.name!r} ({record.suffix}) clashes with {other.name!r} ({other.suffix})"
            )
    _RECORDS[record.name] = record


def unregister(name: str) -> None:
    """Remove a store that `register` has added."""
    del _RECORDS[name]


def store_records() -> tuple[StoreRecord, ...]:
    """Return all stores, the default one first."""
    return tuple(_RECORDS.values())


def store_names() -> tuple[str, ...]:
    """Return the names that `--store` takes, the default one first."""
    return tuple(_RECORDS)


def find_store(name: str) -> Store:
    """Return the store of this name; KeyError if there is none."""
    return _RECORDS[name].load()


def store_of_path(path: str) -> StoreRecord:
    """Return the store that reads a path of the catalog.

    Raises:
        CatalogError: No store has paths of this suffix.
    """
    for record in _RECORDS.values():
        if path.endswith(record.suffix):
            return record
    known = ", ".join(f"{record.suffix} ({record.name})" for record in _RECORDS.values())
    raise CatalogError(f"cannot read {path!r}: no store has files of this kind. Known are {known}")
