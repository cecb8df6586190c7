"""The channels of a group, each an image with a modality, a sequence and a window of its own."""

from collections.abc import Callable
from typing import Any

from catalog.names import modality_token
from curate.imaging.window import DEFAULTS, NAMED, PRESETS, Window, level_window
from curate.recipe import model
from curate.recipe.faults import not_allowed, shown
from curate.recipe.resolved import Channel

Report = Callable[..., None]
"""Takes a key of the group, the message of a fault, and the path below the key."""


def read_channels(
    written: dict[str, model.Channel] | None, modality: str, sequence: str | None, window: Any, report: Report
) -> tuple[Channel, ...]:
    """Return the channels; without `channels`, the one of the whole file. Faults go to `report`."""
    if written is None:
        whole = _window(window, modality, report, "window")
        return () if whole is None else (Channel(None, modality, sequence, whole),)
    channels = []
    for index, channel in sorted(written.items(), key=lambda item: int(item[0])):
        own = channel.modality or modality
        inherits = own == modality
        if channel.window is not None:
            found = _window(channel.window, own, report, "channels", index, "window")
        elif inherits:
            found = _window(window, own, report, "window")
        else:
            found = _window(None, own, report, "channels", index)
        if found is not None:
            name = channel.sequence or (sequence if inherits else None)
            channels.append(Channel(int(index), own, name, found))
    _refuse_twins(channels, report)
    return tuple(channels)


def _refuse_twins(channels: list[Channel], report: Report) -> None:
    tokens: dict[str, int | None] = {}
    for channel in channels:
        token = modality_token(channel.modality, channel.sequence)
        other = tokens.setdefault(token, channel.index)
        if other != channel.index:
            message = f"would be {token} like channel {other}; give each a sequence of its own"
            report("channels", message, str(channel.index))


def _window(written: Any, modality: str, report: Report, key: str, *below: str) -> Window | None:
    """Return the window of what is written, or the modality's default."""
    if written is None:
        if modality not in DEFAULTS:
            allowed = f"{', '.join(PRESETS)}, or {{level: 40, width: 400}}"
            what = "a window is" if below else "is"
            report(key, f"{what} missing; {modality} needs one: {allowed}", *below)
        return DEFAULTS.get(modality)
    if isinstance(written, model.LevelWidth):
        return level_window(float(written.level), float(written.width))
    if isinstance(written, model.MinMax):
        return NAMED["minmax_slice" if written.minmax == "slice" else "minmax"]
    if isinstance(written, model.Percentile):
        low, high = map(float, written.percentile)
        if low >= high:
            allowed = "[low, high] with low under high, such as [0.5, 99.5]"
            report(key, not_allowed(written.percentile, allowed), *below)
        return Window("percentile", low, high)
    if written in PRESETS and modality != "CT":
        allowed = "percentile, minmax, none, {level: ..., width: ...}"
        what = f"{shown(written)} is a window in HU, and the modality is {modality}"
        report(key, f"{what}; allowed: {allowed}", *below)
    return NAMED[written]
