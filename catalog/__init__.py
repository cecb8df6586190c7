"""A corpus on disk: open it, query its catalog, read its images and masks.

>>> import catalog
>>> corpus = catalog.open("corpus")
>>> table = corpus.to_pandas(where="modality = 'CT' and area > 500")
>>> for image in corpus.images(where="label = 'liver'"):
...     print(image.name, image.pixels.shape, image.masks.shape)

Names are loaded when they are first used, so that `import catalog` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catalog.corpus import Corpus
    from catalog.corpus import open_corpus as open
    from catalog.errors import CatalogError, MedcorpusError, QueryError
    from catalog.image_records import CorpusImage
    from catalog.pixels import PixelReader

__all__ = ["CatalogError", "Corpus", "CorpusImage", "MedcorpusError", "PixelReader", "QueryError", "open"]

_MODULES = {
    "CatalogError": "catalog.errors",
    "Corpus": "catalog.corpus",
    "CorpusImage": "catalog.image_records",
    "MedcorpusError": "catalog.errors",
    "PixelReader": "catalog.pixels",
    "QueryError": "catalog.errors",
}


def __getattr__(name: str) -> Any:
    if name == "open":
        return import_module("catalog.corpus").open_corpus
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
