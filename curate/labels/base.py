"""What a label encoding is: how a recipe writes it, and how its files become layers.

This module and those of the encodings import nothing heavy, since recipe checks read them; decoding imports its
tools inside the function.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from curate.inputs import Input

if TYPE_CHECKING:
    from curate.imaging.volume import Volume
    from curate.masks.select import Layer
    from curate.recipe.resolved import Group


HALF_OF_8_BITS = 128.0
"""Default threshold of pictures: it parts what JPEG and interpolation leave of 0 and 255."""


@dataclass(frozen=True)
class LabelFile:
    """One label input of a case; `word` stood for `{label}` or `{instance}`, '' where the pattern has neither."""

    word: str
    source: Input
    limit: int | None = None

    @property
    def name(self) -> str:
        """The file's name without its folder, for messages."""
        return self.source.name.rpartition("/")[2]

    def read(self) -> "Volume":
        """Return the decoded file; raises CaseError as `curate.readers.read` does."""
        from curate.readers import read

        return read(self.source, None, self.limit, label=True)

    def read_channels(self, channels: Sequence[int]) -> "list[Volume]":
        """Return one decoded volume a channel; raises CaseError as `curate.readers.read_channels` does."""
        from curate.readers import read_channels

        return read_channels(self.source, channels, self.limit, label=True)


@dataclass(frozen=True)
class Decoded:
    """The layers of a case on its image's grid.

    `resampled` tells whether a file was on another grid than the image; `kept_mm3` and `lost_mm3` are then the
    foreground that landed on the image's grid, and that did not. `notes` say what a user should know of the case.
    """

    layers: "tuple[Layer, ...]"
    resampled: bool = False
    kept_mm3: float = 0.0
    lost_mm3: float = 0.0
    notes: tuple[str, ...] = ()


Decoder = Callable[["Group", Sequence[LabelFile], "Volume"], Decoded]
"""Takes the recipe's group, the case's label files and its image, which carries the grid."""


@dataclass(frozen=True)
class Values:
    """How a recipe writes what a label stands for.

    `read` returns the value of one written item, or None where it is not allowed; `allowed` says what is;
    `is_item` tells whether a list is one item (a colour) or several; `hint` adds to the message of a wrong item.
    """

    allowed: str
    read: Callable[[Any], Any]
    is_item: Callable[[Any], bool] = lambda written: not isinstance(written, list)
    hint: Callable[[Any, tuple[str | int, ...]], str] = lambda item, path: ""


@dataclass(frozen=True)
class Encoding:
    """One label encoding.

    `values` is None where the encoding has exactly one label, whose values a recipe does not write. `placeholder` is
    the field that the label pattern must hold (`label` or `instance`); `wild` allows `*` in its place. `by_word`: the
    word of a label chooses its file, and a list of names is allowed, each name being its own word. `keys` are the
    optional recipe keys that have a meaning here; `threshold` is the default of the key of that name.
    """

    name: str
    meaning: str
    decode: Decoder
    values: Values | None = None
    placeholder: str | None = None
    wild: bool = False
    by_word: bool = False
    keys: frozenset[str] = field(default_factory=frozenset)
    threshold: float | None = None

    @property
    def single(self) -> bool:
        """Whether the encoding has exactly one label."""
        return self.values is None
