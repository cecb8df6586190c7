"""A training protocol: the numbers of a run, from a YAML file of `protocols` or of the user's own."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from importlib.resources import files
from math import inf
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from train.data.augmentations import TABLES
from train.errors import RequestError

PARTS = ("image_encoder", "prompt_encoder", "mask_decoder")
LOSSES = ("embedding", "teacher", "dice", "bce", "boundary", "iou")
OF_MASKS = ("dice", "bce", "boundary", "iou")
"""The losses that compare with true masks."""
SCHEDULES = ("constant", "plateau", "cosine", "poly")
PRECISIONS = ("float32", "bf16", "fp16")
FOLLOWS = ("flipped", "as_stored")
LIMITS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "epochs": ("at least 1", lambda value: value >= 1),
    "embedding_epochs": ("at least 0", lambda value: value >= 0),
    "batch": ("at least 1", lambda value: value >= 1),
    "accumulate": ("at least 1", lambda value: value >= 1),
    "lr": ("above 0", lambda value: 0 < value < inf),
    "encoder_lr": ("above 0", lambda value: 0 < value < inf),
    "weight_decay": ("at least 0", lambda value: 0 <= value < inf),
    "factor": ("between 0 and 1", lambda value: 0 < value < 1),
    "patience": ("at least 0", lambda value: value >= 0),
    "warmup": ("at least 0", lambda value: 0 <= value < inf),
    "focus": ("at least 0", lambda value: 0 <= value < inf),
    "views": ("at least 0", lambda value: value >= 0),
    "clip": ("above 0", lambda value: 0 < value < inf),
    "ema": ("between 0 and 1, such as 0.999", lambda value: 0 < value < 1),
    "temperature": ("at least 1", lambda value: value >= 1),
}
"""What a number of a protocol must be; none of them holds for a value that is no number."""


@dataclass(frozen=True)
class Protocol:
    """How a model is trained. `help` is what a command line says of a field.

    Raises:
        RequestError: a number makes no sense.
    """

    source: str = field(default="", metadata={"help": "Where the numbers are from."})
    losses: dict[str, float] = field(
        default_factory=lambda: {"dice": 1.0, "bce": 1.0, "iou": 1.0},
        metadata={
            "help": "Loss weights, such as dice=1,bce=1: embedding (squared difference to the teacher's), teacher (its "
            "masks), dice, bce, boundary (bce near contours), iou (squared error of the expected IoU)."
        },
    )
    trained: tuple[str, ...] = field(
        default=PARTS,
        metadata={"help": "What learns, joined by commas: image_encoder, image_encoder.neck, mask_decoder."},
    )
    copied: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "What starts as the teacher's, joined by commas: mask_decoder, last_norm (that sets an embedding's "
            "scale), PART=ITS_PART."
        },
    )
    focus: float = field(
        default=0.0,
        metadata={"help": "How much more the embedding loss weighs places where the teacher's embedding changes."},
    )
    epochs: int = field(default=10, metadata={"help": "Epochs; each shows every image once, with one of its masks."})
    embedding_epochs: int = field(
        default=0, metadata={"help": "First epochs in which the embedding loss counts alone."}
    )
    batch: int = field(default=8, metadata={"help": "Images in one step, of all processes together."})
    accumulate: int = field(default=1, metadata={"help": "Parts that a batch is taken in, to need less memory."})
    lr: float = field(default=1e-4, metadata={"help": "AdamW's learning rate."})
    encoder_lr: float | None = field(default=None, metadata={"help": "Of the image encoder, where it is another."})
    weight_decay: float = field(default=0.01, metadata={"help": "AdamW's."})
    schedule: str = field(default="constant", metadata={"help": "constant, plateau, cosine or poly."})
    factor: float = field(default=0.9, metadata={"help": "What plateau multiplies the learning rate by."})
    patience: int = field(default=5, metadata={"help": "Epochs without a lower loss that plateau waits."})
    warmup: float = field(default=0.0, metadata={"help": "Epochs in which cosine or poly rises from 0."})
    clip: float | None = field(default=None, metadata={"help": "Greatest norm of the gradient."})
    ema: float | None = field(default=None, metadata={"help": "Decay of the moving average of the weights."})
    augment: str = field(default="lite-medsam", metadata={"help": f"One of {', '.join(TABLES)}."})
    views: int = field(
        default=0, metadata={"help": "Numbered views an image, as `train embed --views` stores them; 0: endless ones."}
    )
    follow: str = field(
        default="flipped",
        metadata={"help": "A stored embedding is flipped with its image, or taken as_stored (Rep-MedSAM)."},
    )
    balance: tuple[str, ...] = field(
        default=(), metadata={"help": "Columns whose combinations come up more evenly, such as modality."}
    )
    temperature: float = field(default=1.0, metadata={"help": "How evenly: 1 as the corpus is, larger is more even."})
    precision: str = field(default="float32", metadata={"help": "float32, bf16 or fp16 (autocast)."})
    compiled: bool = field(default=False, metadata={"help": "Compile the encoder by torch.compile."})

    def __post_init__(self) -> None:
        allowed: tuple[tuple[str, tuple[str, ...], Any], ...] = (
            ("losses", LOSSES, self.losses),
            ("trained", PARTS, tuple(part.partition(".")[0] for part in self.trained)),
            ("schedule", SCHEDULES, (self.schedule,)),
            ("augment", tuple(TABLES), (self.augment,)),
            ("follow", FOLLOWS, (self.follow,)),
            ("precision", PRECISIONS, (self.precision,)),
        )
        for name, values, given in allowed:
            if wrong := [value for value in given if value not in values]:
                raise RequestError(f"{name}: {wrong[0]!r} is none of {', '.join(values)}.{_closest(wrong[0], values)}")
        for name, (limit, holds) in LIMITS.items():
            value = getattr(self, name)
            if value is not None and not holds(value):
                raise RequestError(f"{name}: {value} must be {limit}")
        for name, weight in self.losses.items():
            if not 0 <= weight < inf:
                raise RequestError(f"losses: {name} is weighed by {weight}, which must be at least 0")
        for number, part in enumerate(self.trained):
            if any(part == other or part.startswith(f"{other}.") for other in self.trained[:number]) or any(
                other.startswith(f"{part}.") for other in self.trained[:number]
            ):
                raise RequestError(f"trained: {', '.join(self.trained)} names {part} twice")
        if not self.trained or not any(weight > 0 for weight in self.losses.values()):
            raise RequestError("nothing would learn: `trained` needs a part, and `losses` a weight above 0")
        if self.embedding_epochs and not self.uses("embedding"):
            raise RequestError("embedding_epochs: the losses have no weight for `embedding`, which would count alone")
        if self.batch % self.accumulate:
            raise RequestError(f"a batch of {self.batch} does not come in {self.accumulate} equal parts")

    def uses(self, loss: str) -> bool:
        """True where a loss has a weight above 0."""
        return self.losses.get(loss, 0) > 0

    @property
    def decodes(self) -> bool:
        """True where a loss compares with true masks."""
        return any(self.uses(loss) for loss in OF_MASKS)

    @property
    def taught(self) -> bool:
        """True where a loss compares with the teacher."""
        return self.uses("embedding") or self.uses("teacher")


def protocol_names() -> list[str]:
    """Return the names of the protocols that come with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in files("train.learning.protocols").iterdir()
                  if entry.name.endswith(".yaml"))  # fmt: skip


def load_protocol(source: str, overrides: Mapping[str, Any] | None = None) -> Protocol:
    """Return a protocol by its name or the path of a YAML file, with some of its values overridden.

    Raises:
        RequestError: there is no such protocol, or a key or value is not known.
    """
    import yaml

    path = Path(source)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise RequestError(f"{path} is no file: give a protocol's file, or one of {', '.join(protocol_names())}")
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RequestError(f"{path} cannot be read: {error}") from error
    elif source in protocol_names():
        text = (files("train.learning.protocols") / f"{source}.yaml").read_text("utf-8")
    else:
        names = protocol_names()
        raise RequestError(
            f"no protocol is called {source!r}.{_closest(source, names)} There are {', '.join(names)}; a file of your "
            "own ends in .yaml"
        )
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RequestError(f"{source} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RequestError(f"{source}: a protocol is a mapping, such as `epochs: 50`")
    protocol = make_protocol(content, source)
    return make_protocol({**plain(protocol), **overrides}, "command line") if overrides else protocol


def make_protocol(values: Mapping[str, Any], source: str = "protocol") -> Protocol:
    """Return the protocol of plain values, each checked against its field; `source` is what errors name.

    Raises:
        RequestError: a key or value is not known.
    """
    known = {one.name: one.type for one in fields(Protocol)}
    for name in values:
        if name not in known:
            raise RequestError(f"{source}: there is no {name!r}.{_closest(name, known)} There are {', '.join(known)}")
    typed = {name: _typed(name, value, known[name], source) for name, value in values.items()}
    try:
        return Protocol(**typed)
    except RequestError as error:
        raise RequestError(f"{source}: {error}") from error


def _closest(word: Any, known: Iterable[str]) -> str:
    close = get_close_matches(str(word), known, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def protocol_fields() -> dict[str, str]:
    """Return the fields by name, each with what a command line says of it."""
    return {one.name: one.metadata["help"] for one in fields(Protocol) if one.name != "source"}


def parse_value(name: str, text: str) -> Any:
    """Return the plain value of a field written in one word: `8`, `null`, `modality,label`, `dice=1,bce=0.5`.

    What is no value of the field is returned as a word, for `make_protocol` to refuse.
    """
    kind = {one.name: one.type for one in fields(Protocol)}[name]
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    origin = get_origin(kinds[0]) or kinds[0]
    words = [word for word in text.split(",") if word]
    if origin is tuple:
        return words
    if origin is dict:
        pairs = [word.partition("=") for word in words]
        return {key: _number(value) for key, _, value in pairs}
    if origin is float:
        return None if text in ("null", "none") and type(None) in kinds else _number(text)
    if origin is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    return _number(text, int) if origin is int else text


def _number(text: str, kind: Callable[[str], float] = float) -> Any:
    try:
        return kind(text)
    except ValueError:
        return text


def plain(protocol: Protocol) -> dict[str, Any]:
    """Return a protocol as values that JSON and YAML know."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(protocol).items()}


def _typed(name: str, value: Any, kind: Any, source: str) -> Any:
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if value is None and type(None) in kinds:
        return None
    wanted = get_origin(kinds[0]) or kinds[0]
    # YAML takes 1e-4, which has no point, for a word.
    if wanted is float and isinstance(value, str):
        value = _number(value)
    elif wanted is dict and isinstance(value, dict):
        value = {key: _number(weight) if isinstance(weight, str) else weight for key, weight in value.items()}
    if wanted is tuple and isinstance(value, (list, tuple)) and all(isinstance(word, str) for word in value):
        return tuple(value)
    if wanted is dict and isinstance(value, dict):
        if all(isinstance(weight, (int, float)) and not isinstance(weight, bool) for weight in value.values()):
            return {str(key): float(weight) for key, weight in value.items()}
    elif wanted is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif isinstance(value, wanted) and isinstance(value, bool) == (wanted is bool):
        return value
    raise RequestError(f"{source}: {name} is {value!r}, where {_described(kind)} is wanted")


def _described(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a word", bool: "true or false", tuple: "a list of words",
             dict: "a mapping of numbers", type(None): "null"}  # fmt: skip
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    return " or ".join(names[get_origin(one) or one] for one in kinds)
