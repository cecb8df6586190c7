"""Windows: names, presets, and the default of each modality. `apply_window` converts intensities with them.

Levels and widths of the presets are the usual ones in radiology. The percentile window is that of the preprocessing of
MedSAM and LiteMedSAM (0.5 to 99.5 percent of the non-zero voxels). Recipe checks read this module, so it imports
nothing heavy.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Literal

PRESETS: dict[str, tuple[float, float]] = {
    "abdomen": (40.0, 400.0),
    "lung": (-600.0, 1500.0),
    "brain": (40.0, 80.0),
    "mediastinum": (50.0, 350.0),
    "bone": (400.0, 1800.0),
}
"""CT presets: name to level and width in HU."""


@dataclass(frozen=True)
class Window:
    """The conversion of intensities to 8 bits.

    `fixed`: low and high in source intensities. `percentile`: low and high in percent of the non-zero voxels of the
    volume. `minmax` and `minmax_slice`: the extremes of the volume or of each slice. `none`: 8-bit images stay as
    stored, deeper ones use `percentile`.
    """

    kind: Literal["fixed", "percentile", "minmax", "minmax_slice", "none"]
    low: float = 0.0
    high: float = 0.0


PERCENTILE = Window("percentile", 0.5, 99.5)
MINMAX = Window("minmax")
MINMAX_SLICE = Window("minmax_slice")
NONE = Window("none")

DEFAULTS: dict[str, Window] = {
    "MR": PERCENTILE,
    "PET": PERCENTILE,
    "X-ray": NONE,
    "Ultrasound": NONE,
    "OCT": NONE,
    "Mammography": NONE,
    "Microscopy": NONE,
    "Dermoscopy": NONE,
    "Endoscopy": NONE,
    "Fundus": NONE,
    "Histopathology": NONE,
}
"""The window of a modality if the recipe gives none. CT has no default: its recipe must give a window."""


def level_window(level: float, width: float) -> Window:
    """Return the window with a level and a width in source intensities (HU for CT)."""
    return Window("fixed", level - width / 2, level + width / 2)


NAMED: dict[str, Window] = {
    **{name: level_window(*preset) for name, preset in PRESETS.items()},
    "percentile": PERCENTILE,
    "minmax": MINMAX,
    "minmax_slice": MINMAX_SLICE,
    "none": NONE,
}


def parse_window(text: str) -> Window:
    """Return the window for a name (`abdomen`, `percentile`, ...) or for `LEVEL/WIDTH`.

    Raises ValueError, with the allowed values, for any other text.
    """
    if text in NAMED:
        return NAMED[text]
    level, _, width = text.partition("/")
    try:
        window = level_window(float(level), float(width))
    except ValueError:
        window = NONE
    if window.low < window.high and isfinite(window.high - window.low):
        return window
    raise ValueError(f"{text!r} is not a window; allowed: {', '.join(NAMED)}, or LEVEL/WIDTH such as 40/400")
