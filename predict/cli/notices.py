"""What `predict` says once per run about the model."""

from predict.presets import DEFAULT_MODEL, PRESETS

LEAST_DSC, LEAST_NSD = 0.99, 0.95
"""Shares of lite-medsam's scores on unseen kinds of image from which on the default model trades nothing."""
CLICKS = (
    "points make masks worse in models that were trained with boxes only: on 35 images DSC fell from 95.8 to 79.4 with "
    "one point inside the object added to its box, and to 86.2 with one outside"
)


def trade_off(model: str) -> str | None:
    """Return what the default model trades for speed; None for another model, or if that is nothing."""
    unseen = PRESETS[model].unseen if model == DEFAULT_MODEL else None
    if unseen is None or (unseen.dsc >= LEAST_DSC and unseen.nsd >= LEAST_NSD):
        return None
    return (
        f"{model} is about {unseen.speed:.0f} times as fast as lite-medsam; on image sets that it was not trained on "
        f"it keeps {100 * unseen.dsc:.0f} % of its DSC and {100 * unseen.nsd:.0f} % of its contour NSD: use --model "
        "lite-medsam where contours matter"
    )


def click_warning(model: str, points: bool) -> str | None:
    """Return a warning where points are given to a model that was not trained with them."""
    name, _, file = model.partition("=")
    preset = PRESETS.get(name)
    if not points or (preset is not None and preset.clicks):
        return None
    own = preset is None or file
    return f"{CLICKS}; {'was this model trained with points?' if own else f'{model} was trained with boxes only'}"
