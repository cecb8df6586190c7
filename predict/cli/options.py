"""The options of `predict`, each with its help."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

FROM_TRUTH = "gts"
WHOLE = "whole"


class EngineChoice(str, Enum):  # noqa: UP042 - typer shows the values of a str Enum
    """The choices of --engine."""

    auto = "auto"
    openvino = "openvino"
    onnxruntime = "onnxruntime"
    torch = "torch"


class PropagationChoice(str, Enum):  # noqa: UP042
    """The choices of --propagation."""

    clean = "clean"
    official = "official"


class PrecisionChoice(str, Enum):  # noqa: UP042
    """The choices of --precision."""

    auto = "auto"
    f32 = "f32"
    bf16 = "bf16"
    int8 = "int8"


class OverlapsChoice(str, Enum):  # noqa: UP042
    """The choices of --overlaps."""

    smallest = "smallest"
    last = "last"
    layers = "layers"


CasesArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="CASES",
        help="A folder, walked with its sub-folders, or one file: the challenge's .npz (imgs, boxes), pictures (PNG, "
        "JPEG, TIFF, BMP), scans (NIfTI, NRRD, MetaImage).",
        show_default=False,
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the labels: .npz for .npz, PNG for pictures, the scan's own format for scans.  "
        "[default: CASES-predicted, next to CASES]",
        show_default=False,
    ),
]
CorpusOption = Annotated[
    Path | None,
    typer.Option(help="In place of CASES: a corpus or its catalog.parquet; boxes are those of its masks."),
]
BoxesOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|whole",
        help="CSV or JSON with image, x0, y0, x1, y1, for scans also z0, z1 (voxels of the file), and label if wanted. "
        "A box runs from its first pixel to its last. whole: each picture is one object.",
    ),
]
BoxOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="x0,y0,x1,y1",
        help="A box of the one picture there is (a scan: x0,y0,z0,x1,y1,z1). May be repeated.",
    ),
]
BoxesFromOption = Annotated[
    str | None, typer.Option(metavar=FROM_TRUTH, help="gts: boxes from the reference labels, for scoring.")
]
PointsOption = Annotated[
    Path | None,
    typer.Option(
        help="CSV or JSON with image, object (1: the first box), x, y, inside (1, 0): points of pictures. lite-medsam "
        "and its students were trained with boxes only: points make their masks worse."
    ),
]
MasksOption = Annotated[
    Path | None, typer.Option(help="Label pictures of the same names: rough masks of pictures, in addition to boxes.")
]
TruthOption = Annotated[
    Path | None,
    typer.Option(help="Label files of the same names, the reference.  [default: gts in the .npz itself]"),
]
WindowOption = Annotated[
    str,
    typer.Option(
        help="How scans and deep pictures become 8-bit: abdomen, lung, brain, mediastinum, bone, LEVEL/WIDTH, "
        "percentile, minmax, minmax_slice; none: by percentile unless they are 8-bit."
    ),
]
ModelOption = Annotated[
    str, typer.Option(help="A name that `train models` lists, NAME=FILE, FILE, or the folder of an exported model.")
]
EngineOption = Annotated[EngineChoice, typer.Option(help="What runs the model; auto: the fastest installed.")]
PrecisionOption = Annotated[
    PrecisionChoice,
    typer.Option(help="Inference precision; auto: bf16 where OpenVINO and the CPU support it, else f32."),
]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Number of threads.  [default: one per core]")]
CacheOption = Annotated[
    Path | None, typer.Option(help="Folder of compiled models.  [default: medcorpus in the user's cache folder]")
]
PropagationOption = Annotated[
    PropagationChoice,
    typer.Option(
        help="How a box goes from slice to slice: clean, by the mask alone; official, as in LiteMedSAM's script."
    ),
]
MemoryOption = Annotated[str, typer.Option(help="Memory for embeddings of a volume's slices: 512M, 1G.")]
MinIouOption = Annotated[
    float | None,
    typer.Option("--min-iou", min=0, max=1, help="Do not draw objects with a lower expected IoU."),
]
OverlapsOption = Annotated[
    OverlapsChoice,
    typer.Option(
        help="Where objects overlap: smallest, the smaller object has the pixel; last, the later box, as in "
        "LiteMedSAM's script; layers, a case with overlaps gets one file for each object."
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Segment all cases; without it finished cases are skipped.")
]
StrictOption = Annotated[
    bool,
    typer.Option("--strict", help="Fail a case with NaN or with boxes past its border; without it both are noted."),
]
ScoreOption = Annotated[
    bool, typer.Option("--score", help="Add DSC and NSD by the reference labels, and tables of them.")
]
OverlayOption = Annotated[Path | None, typer.Option(help="Draw boxes, points and masks into PNG files in this folder.")]
SummaryOption = Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")]
JitterOption = Annotated[
    int,
    typer.Option(min=0, help="Widen boxes from labels by up to this many of 256 pixels; the challenge takes 5."),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the jitter.")]
SplitOption = Annotated[str, typer.Option(help="Split of the corpus: train, val, test or all.")]
