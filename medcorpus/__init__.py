"""Medical segmentation data sets as one training corpus.

>>> import medcorpus
>>> recipe = medcorpus.load_recipe("kits23")
>>> summary = medcorpus.curate(recipe, "data/kits23", "corpus")
>>> corpus = medcorpus.open("corpus")
>>> table = corpus.to_pandas(where="modality = 'CT' and area > 500")
>>> masks = medcorpus.predict(pixels, boxes)

This module collects the names that most programs need; the packages `catalog`, `curate`, `predict` and `train` have
more. Names are imported when they are first used, so that `import medcorpus` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catalog.corpus import Corpus
    from catalog.corpus import open_corpus as open
    from catalog.errors import MedcorpusError
    from curate.api import curate, load_recipe
    from curate.recipe.resolved import Recipe
    from predict import predict

    __version__: str

_NAMES = {
    "Corpus": ("catalog.corpus", "Corpus"),
    "MedcorpusError": ("catalog.errors", "MedcorpusError"),
    "Recipe": ("curate.recipe.resolved", "Recipe"),
    "curate": ("curate.api", "curate"),
    "load_recipe": ("curate.api", "load_recipe"),
    "open": ("catalog.corpus", "open_corpus"),
    "predict": ("predict", "predict"),
}

__all__ = ["Corpus", "MedcorpusError", "Recipe", "__version__", "curate", "load_recipe", "open", "predict"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("medcorpus")
    if name in _NAMES:
        module, attribute = _NAMES[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
