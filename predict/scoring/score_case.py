"""Score a case by the reference labels that it comes with."""

from predict.engines.engine import LabelArray
from predict.inputs.case import PromptedCase
from predict.outputs.summary import METRICS
from predict.scoring.metrics import correct, cvpr24


def score_case(case: PromptedCase, labels: LabelArray) -> dict[str, float]:
    """Return DSC and NSD of a case's label map by both scorers, under the names of `METRICS`.

    The tolerance is the challenge's: 2 mm, or 2 pixels where no spacing is known.
    """
    assert case.truth is not None
    scores = (*correct(case.truth, labels, case.spacing), *cvpr24(case.truth, labels, case.spacing))
    return dict(zip(METRICS, scores, strict=True))
