"""Split a group whose modality is a field of the file name into one group per word of that field."""

import re
from collections.abc import Callable
from typing import Any

from curate.imaging.window import PRESETS
from curate.paths.pattern import Pattern
from curate.recipe import model
from curate.recipe.channels import read_channels
from curate.recipe.faults import Code, nearest, quote
from curate.recipe.resolved import Channel

Report = Callable[..., None]
"""Called for each fault with a key of the group, the code, the message, and the path below the key."""


def split_by_modality(
    image: Pattern, written: model.ModalityMap, channels: Any, window: Any, report: Report
) -> list[tuple[str, tuple[Channel, ...]]]:
    """Return, for each word of the map, the pattern of its images and their channel.

    The `window` of the group applies to words without their own; a CT preset applies to CT only. Faults go to `report`.
    """
    if written.field not in image.fields:
        known = f"{', '.join(image.fields) or '(none)'}{nearest(written.field, image.fields)}"
        message = f"the field {quote(written.field)} is not in `image`, whose fields are: {known}"
        report("modality", Code.UNKNOWN_FIELD, message, "field")
        return []
    if written.field in image.constrained:
        message = f"{{{written.field}}} has a regex in `image`; remove it, since the map lists the words"
        report("modality", Code.CONFLICT, message, "field")
        return []
    if channels is not None:
        report("channels", Code.NO_EFFECT, "cannot be combined with a modality map; remove one of the two")
        return []
    groups = []
    for word, kind in written.map.items():
        entry = model.Channel(modality=kind, sequence=None, window=None) if isinstance(kind, str) else kind
        if entry.modality is None:
            report("modality", Code.MISSING, "is missing", "map", word, "modality")
            continue
        entry_window = entry.window
        if entry_window is None and not (window in PRESETS and entry.modality != "CT"):
            entry_window = window
        text = image.text.replace(f"{{{written.field}}}", f"{{{written.field}:{re.escape(word)}}}", 1)
        groups.append((text, read_channels(None, entry.modality, entry.sequence, entry_window, report)))
    return groups
