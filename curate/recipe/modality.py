"""A modality that a field of the file name tells: the group becomes one group a word."""

import re
from collections.abc import Callable
from typing import Any

from curate.imaging.window import PRESETS
from curate.paths.pattern import Pattern
from curate.recipe import model
from curate.recipe.channels import read_channels
from curate.recipe.faults import nearest, shown
from curate.recipe.resolved import Channel

Report = Callable[..., None]
"""Takes a key of the group, the message of a fault, and the path below the key."""


def split_by_modality(
    image: Pattern, written: model.ModalityMap, channels: Any, window: Any, report: Report
) -> list[tuple[str, tuple[Channel, ...]]]:
    """Return, for each word of the map, the image pattern that finds its files, and their channel.

    The group's `window` applies to the words that have none of their own; a CT preset to those of CT alone. Faults go
    to `report`.
    """
    if written.field not in image.fields:
        known = f"{', '.join(image.fields) or '(none)'}{nearest(written.field, image.fields)}"
        report("modality", f"the field {shown(written.field)} is not in `image`, whose fields are: {known}", "field")
        return []
    if written.field in image.constrained:
        report("modality", f"{{{written.field}}} has a regex in `image`; leave it out, the map has the words", "field")
        return []
    if channels is not None:
        report("channels", "has no meaning beside a modality map")
        return []
    groups = []
    for word, kind in written.map.items():
        one = model.Channel(modality=kind, sequence=None, window=None) if isinstance(kind, str) else kind
        if one.modality is None:
            report("modality", "is missing", "map", word, "modality")
            continue
        own = one.window
        if own is None and not (window in PRESETS and one.modality != "CT"):
            own = window
        text = image.text.replace(f"{{{written.field}}}", f"{{{written.field}:{re.escape(word)}}}", 1)
        groups.append((text, read_channels(None, one.modality, one.sequence, own, report)))
    return groups
