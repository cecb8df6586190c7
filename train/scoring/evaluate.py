"""Models scored on the masks of a corpus: every model gets the same images and boxes, one image after the other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.errors import CatalogError, DataError
from catalog.pixels import PixelReader
from catalog.samples import Samples
from predict.engines.engine import Engine, Prompts
from predict.engines.enlarge import enlarge
from predict.errors import ScoreError
from predict.prepare import fit_to, prepare_boxes, prepare_pixels
from predict.scoring.metrics import TOLERANCE, Score, cvpr24_mean, score_mask, slab_dice
from train.scoring.references import Asking, Reference, read_reference

Engines = Mapping[str, Engine[Any]]


@dataclass(frozen=True)
class MaskScore:
    """How well a model found one mask; `dsc_cvpr24` and `nsd_cvpr24` are before the rules that hold for a case."""

    model: str
    dataset: str
    patient: str
    modality: str
    label: str
    image: str
    instance: int
    dsc: float
    nsd: float
    dsc_cvpr24: float
    nsd_cvpr24: float


@dataclass(frozen=True)
class CaseScore:
    """How well a model did on one image: the mean over its masks.

    `seconds` go from the pixels to all masks at full size, without reading and scoring; `boxes` is how many there were.
    """

    model: str
    name: str
    dataset: str
    patient: str
    modality: str
    dsc: float
    nsd: float
    dsc_cvpr24: float
    nsd_cvpr24: float
    seconds: float
    boxes: int


@dataclass(frozen=True)
class Evaluation:
    """The scores of all models, in the order of the images and models.

    `images` tells the number in the samples of each image, by name; `failed` why one could not be used, by file.
    """

    models: tuple[str, ...]
    masks: tuple[MaskScore, ...]
    cases: tuple[CaseScore, ...]
    images: Mapping[str, int]
    failed: Mapping[str, str]


def evaluate(
    samples: Samples,
    engines: Engines,
    asking: Asking,
    tolerance: float = TOLERANCE,
    on_image: Callable[[str], None] = lambda name: None,
) -> Evaluation:
    """Score models on some samples, loaded with `references.COLUMNS`.

    Each mask is scored by itself, so that those that overlap (a tumour in its organ) take no pixels from each other.

    Args:
        samples: The images and masks.
        engines: The models by name.
        asking: How the boxes are made.
        tolerance: Of the NSD of the scorer `correct`: mm where the catalog knows the spacing, else pixels. That of
            `cvpr24` is the challenge's own, 2 pixels.
        on_image: Is told the file of each image that is done with.

    Raises:
        ScoreError: no image at all could be used; the message tells why the first could not.
    """
    reader = PixelReader(samples.root)
    masks: list[MaskScore] = []
    cases: list[CaseScore] = []
    images: dict[str, int] = {}
    failed: dict[str, str] = {}
    for engine in engines.values():
        # The first image of a process pays for memory and threads, which would count for one model's one case.
        for _ in segment(engine, np.zeros((engine.size, engine.size), np.uint8), np.array([[0, 0, 9, 9]])):
            pass
    for image in range(samples.images):
        place = samples.place(int(samples.rows(image)[0]))
        try:
            reference = read_reference(reader, samples, image, asking)
        except (CatalogError, DataError) as error:
            failed[place.image if place.image_index is None else f"{place.image}, row {place.image_index}"] = str(error)
        else:
            images[reference.name] = image
            for model, engine in engines.items():
                found, case = score_model(model, engine, reference, tolerance)
                masks += found
                cases.append(case)
        on_image(place.image)
    if not cases:
        raise ScoreError(f"none of the {samples.images} images could be used; the first: {next(iter(failed.values()))}")
    return Evaluation(tuple(engines), tuple(masks), tuple(cases), images, failed)


def segment(engine: Engine[Any], pixels: NDArray[np.uint8], boxes: NDArray[np.int64]) -> Iterator[NDArray[np.bool_]]:
    """Yield the mask (H, W) of each box (N, 4) of an image, all from one embedding."""
    height, width = pixels.shape[:2]
    fit = fit_to(height, width, engine.size)
    embedding = engine.embed(prepare_pixels(pixels, fit))
    for decoded in engine.decode(embedding, Prompts(boxes=prepare_boxes(boxes, fit))):
        for logits in decoded.logits:
            yield enlarge(logits, fit)


def score_model(
    model: str, engine: Engine[Any], reference: Reference, tolerance: float = TOLERANCE
) -> tuple[list[MaskScore], CaseScore]:
    """Return a model's scores on one image: of each mask, and of all."""
    scores: list[MaskScore] = []
    seconds, drawn = 0.0, segment(engine, reference.pixels, reference.boxes)
    for truth in reference.truths:
        start = perf_counter()
        found = next(drawn)
        seconds += perf_counter() - start
        correct = score_mask(truth.mask, found, reference.spacing, tolerance)
        scores.append(
            MaskScore(
                model,
                reference.dataset,
                reference.patient,
                reference.modality,
                truth.label,
                reference.name,
                truth.instance,
                dsc=correct.dsc,
                nsd=correct.nsd,
                dsc_cvpr24=correct.dsc,
                nsd_cvpr24=slab_dice(truth.mask, found),
            )
        )
    challenge = cvpr24_mean([Score(one.dsc_cvpr24, one.nsd_cvpr24) for one in scores])
    case = CaseScore(
        model,
        reference.name,
        reference.dataset,
        reference.patient,
        reference.modality,
        dsc=float(np.mean([one.dsc for one in scores])),
        nsd=float(np.mean([one.nsd for one in scores])),
        dsc_cvpr24=challenge.dsc,
        nsd_cvpr24=challenge.nsd,
        seconds=seconds,
        boxes=len(scores),
    )
    return scores, case
