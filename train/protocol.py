"""A training protocol: the numbers of a run, read from a YAML file of `train/protocols` or of the user's own."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from train.augmentations import TABLES
from train.errors import TrainingError

PARTS = ("image_encoder", "prompt_encoder", "mask_decoder")
LOSSES = ("embedding", "dice", "bce", "iou")
SCHEDULES = ("constant", "plateau", "cosine")
PRECISIONS = ("float32", "bf16", "fp16")
FOLLOWS = ("flipped", "as_stored")


@dataclass(frozen=True)
class Protocol:
    """How a model is trained. `help` is what a command line says of a field.

    Raises:
        TrainingError: a number makes no sense.
    """

    source: str = field(default="", metadata={"help": "Where the numbers are from."})
    losses: dict[str, float] = field(
        default_factory=lambda: {"dice": 1.0, "bce": 1.0, "iou": 1.0},
        metadata={"help": "Weights of embedding (MSE to the teacher's), dice, bce, iou (MSE of the expected IoU)."},
    )
    trained: tuple[str, ...] = field(
        default=PARTS, metadata={"help": "What learns: image_encoder, prompt_encoder, mask_decoder."}
    )
    copied: tuple[str, ...] = field(
        default=(),
        metadata={"help": "What starts as the teacher's: mask_decoder, image_encoder.neck, PART=PART_OF_TEACHER."},
    )
    epochs: int = field(default=10, metadata={"help": "An epoch shows each image once, with one of its masks."})
    batch: int = field(default=8, metadata={"help": "Images in one step, of all processes together."})
    accumulate: int = field(default=1, metadata={"help": "Parts that a batch is taken in, to need less memory."})
    lr: float = field(default=1e-4, metadata={"help": "AdamW's learning rate."})
    encoder_lr: float | None = field(default=None, metadata={"help": "Of the image encoder, where it is another."})
    weight_decay: float = field(default=0.01, metadata={"help": "AdamW's."})
    schedule: str = field(default="constant", metadata={"help": "constant, plateau, or cosine."})
    factor: float = field(default=0.9, metadata={"help": "What plateau multiplies the learning rate by."})
    patience: int = field(default=5, metadata={"help": "Epochs without a lower loss that plateau waits."})
    warmup: float = field(default=0.0, metadata={"help": "Epochs in which cosine rises from 0."})
    clip: float | None = field(default=None, metadata={"help": "Greatest norm of the gradient."})
    ema: float | None = field(default=None, metadata={"help": "Decay of the moving average of the weights."})
    augment: str = field(default="lite-medsam", metadata={"help": f"One of {', '.join(TABLES)}."})
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
            ("trained", PARTS, self.trained),
            ("schedule", SCHEDULES, (self.schedule,)),
            ("augment", tuple(TABLES), (self.augment,)),
            ("follow", FOLLOWS, (self.follow,)),
            ("precision", PRECISIONS, (self.precision,)),
        )
        for name, values, given in allowed:
            if wrong := [value for value in given if value not in values]:
                raise TrainingError(f"{name}: {wrong[0]!r} is none of {', '.join(values)}")
        for name in ("epochs", "batch", "accumulate"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name}: {getattr(self, name)} must be at least 1")
        if not self.trained or not any(weight > 0 for weight in self.losses.values()):
            raise TrainingError("nothing would learn: `trained` needs a part, and `losses` a weight above 0")
        if min(self.losses.values()) < 0 or self.lr <= 0 or (self.encoder_lr is not None and self.encoder_lr <= 0):
            raise TrainingError("losses are weighed by 0 or more, and learning rates are above 0")
        if self.ema is not None and not 0 < self.ema < 1:
            raise TrainingError(f"ema: {self.ema} must lie between 0 and 1, such as 0.999")
        if self.batch % self.accumulate:
            raise TrainingError(f"a batch of {self.batch} does not come in {self.accumulate} equal parts")

    def uses(self, loss: str) -> bool:
        """True where a loss has a weight above 0."""
        return self.losses.get(loss, 0) > 0

    @property
    def decodes(self) -> bool:
        """True where a loss looks at masks."""
        return any(self.uses(loss) for loss in ("dice", "bce", "iou"))


def protocol_names() -> list[str]:
    """Return the names of the protocols that come with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in files("train.protocols").iterdir()
                  if entry.name.endswith(".yaml"))  # fmt: skip


def load_protocol(source: str, overrides: Mapping[str, Any] | None = None) -> Protocol:
    """Return a protocol by its name or the path of a YAML file, with some of its values overridden.

    Raises:
        TrainingError: there is no such protocol, or a key or value is not known.
    """
    import yaml

    path = Path(source)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise TrainingError(f"{path} is no file: give a protocol's file, or one of {', '.join(protocol_names())}")
        text = path.read_text("utf-8")
    elif source in protocol_names():
        text = (files("train.protocols") / f"{source}.yaml").read_text("utf-8")
    else:
        raise TrainingError(f"no protocol is called {source!r}: there are {', '.join(protocol_names())}")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TrainingError(f"{source} is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise TrainingError(f"{source}: a protocol is a mapping, such as `epochs: 50`")
    return make_protocol({**content, **(overrides or {})}, source)


def make_protocol(values: Mapping[str, Any], source: str = "protocol") -> Protocol:
    """Return the protocol of plain values, each checked against its field.

    Raises:
        TrainingError: a key or value is not known.
    """
    known = {one.name: one.type for one in fields(Protocol)}
    for name in values:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise TrainingError(f"{source}: there is no {name!r}.{hint} There are {', '.join(known)}")
    return Protocol(**{name: _typed(name, value, known[name], source) for name, value in values.items()})


def protocol_fields() -> dict[str, str]:
    """Return the fields by name, each with what a command line says of it."""
    return {one.name: one.metadata["help"] for one in fields(Protocol) if one.name != "source"}


def parse_value(name: str, text: str) -> Any:
    """Return the plain value of a field written in one word: `8`, `null`, `modality,label`, `dice=1,bce=0.5`.

    Raises:
        TrainingError: it is no value of this field.
    """
    import yaml

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
    return yaml.safe_load(text)


def _number(text: str) -> Any:
    try:
        return float(text)
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
    if wanted is tuple and isinstance(value, (list, tuple)) and all(isinstance(word, str) for word in value):
        return tuple(value)
    if wanted is dict and isinstance(value, dict):
        if all(isinstance(weight, (int, float)) for weight in value.values()):
            return {str(key): float(weight) for key, weight in value.items()}
    elif wanted is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif isinstance(value, wanted) and isinstance(value, bool) == (wanted is bool):
        return value
    raise TrainingError(f"{source}: {name} is {value!r}, where {_described(kind)} is wanted")


def _described(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a word", bool: "true or false", tuple: "a list of words",
             dict: "a mapping of numbers", type(None): "null"}  # fmt: skip
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    return " or ".join(names[get_origin(one) or one] for one in kinds)
