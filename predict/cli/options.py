"""The options of `predict`, each with its help."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

FROM_TRUTH = "gts"


class EngineName(str, Enum):  # noqa: UP042 - typer shows the values of a str Enum
    """The choices of --engine."""

    auto = "auto"
    openvino = "openvino"
    onnxruntime = "onnxruntime"
    torch = "torch"


class PropagationName(str, Enum):  # noqa: UP042
    """The choices of --propagation."""

    clean = "clean"
    official = "official"


class PrecisionName(str, Enum):  # noqa: UP042
    """The choices of --precision."""

    auto = "auto"
    f32 = "f32"
    bf16 = "bf16"
    int8 = "int8"


Folder = Annotated[
    Path | None,
    typer.Argument(
        help="The cases, of any kind: the challenge's .npz (imgs, boxes), pictures (PNG, JPEG, TIFF, BMP), scans "
        "(NIfTI, NRRD, MetaImage).",
        show_default=False,
    ),
]
Out = Annotated[
    Path, typer.Option(help="Where labels go: .npz of .npz, PNG of pictures, NIfTI of scans.", show_default=False)
]
Manifest = Annotated[
    Path | None, typer.Option(help="In place of a folder: a corpus or its catalog.parquet, boxes from its masks.")
]
Boxes = Annotated[
    Path | None,
    typer.Option(
        help="CSV or JSON of image, x0, y0, x1, y1, for scans also z0, z1 (voxels of the file), and label if wanted. "
        "A box runs from its first pixel to its last."
    ),
]
BoxesFrom = Annotated[
    str | None, typer.Option(metavar=FROM_TRUTH, help="gts: boxes from the reference labels, for scoring.")
]
Points = Annotated[
    Path | None,
    typer.Option(
        help="CSV or JSON of image, object (1: the first box), x, y, inside (1, 0): points of pictures. lite-medsam "
        "and its students have learned boxes alone and find little without one."
    ),
]
Masks = Annotated[
    Path | None, typer.Option(help="Label pictures of the same names: rough masks of pictures, beside their boxes.")
]
Truth = Annotated[
    Path | None,
    typer.Option(help="Label files of the same names, the reference.  [default: gts in the .npz itself]"),
]
Window = Annotated[
    str,
    typer.Option(
        help="How scans and deep pictures become 8-bit: abdomen, lung, brain, mediastinum, bone, LEVEL/WIDTH, "
        "percentile, minmax, minmax_slice; none: by percentile unless they are 8-bit."
    ),
]
Model = Annotated[
    str, typer.Option(help="A name that `train models` lists, NAME=FILE, FILE, or the folder of an exported pair.")
]
Engine = Annotated[EngineName, typer.Option(help="What runs the model; auto: the fastest.")]
Precision = Annotated[
    PrecisionName,
    typer.Option(help="Of the model's numbers; auto: bf16 where OpenVINO runs it and the CPU has bfloat16, else f32."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads.  [default: one a core]")]
Cache = Annotated[Path | None, typer.Option(help="Where compiled models are kept.  [default: the user's cache folder]")]
Propagation = Annotated[
    PropagationName,
    typer.Option(
        help="How a box goes from slice to slice: clean, by the mask alone; official, equal to LiteMedSAM's script."
    ),
]
Memory = Annotated[str, typer.Option(help="What the embeddings of a volume's slices may take: 512M, 1G.")]
MinIou = Annotated[
    float | None,
    typer.Option("--min-iou", min=0, max=1, help="Draw no object of which the model expects a lower IoU than this."),
]
Score = Annotated[bool, typer.Option("--score", help="Add DSC and NSD by the reference labels, and tables of them.")]
Overlay = Annotated[Path | None, typer.Option(help="Draw boxes, points and masks into PNG files in this folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")]
Jitter = Annotated[
    int, typer.Option(min=0, help="Boxes from labels grow by up to this, of 256 pixels; the challenge takes 5.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of the jitter.")]
Split = Annotated[str, typer.Option(help="Of the manifest: train, val, test or all.")]
