"""Check the channels of a group; each is an image with its own modality, sequence and window."""

from collections.abc import Callable
from typing import Any

from catalog.names import modality_token
from curate.imaging.window import DEFAULTS, NAMED, PRESETS, Window, level_window
from curate.recipe import model
from curate.recipe.faults import Code, not_allowed, quote
from curate.recipe.resolved import Channel

Report = Callable[..., None]
"""Called for each fault with a key of the group, the code, the message, and the path below the key."""


def read_channels(
    written: dict[str, model.Channel] | None, modality: str, sequence: str | None, window: Any, report: Report
) -> tuple[Channel, ...]:
    """Return the channels; without the key `channels`, one for the whole file. Faults go to `report`."""
    if written is None:
        whole = _window(window, modality, report, "window")
        return () if whole is None else (Channel(None, modality, sequence, whole),)
    channels = []
    for index, channel in sorted(written.items(), key=lambda item: int(item[0])):
        channel_modality = channel.modality or modality
        inherits = channel_modality == modality
        if channel.window is not None:
            found = _window(channel.window, channel_modality, report, "channels", index, "window")
        elif inherits:
            found = _window(window, channel_modality, report, "window")
        else:
            found = _window(None, channel_modality, report, "channels", index)
        if found is not None:
            name = channel.sequence or (sequence if inherits else None)
            channels.append(Channel(int(index), channel_modality, name, found))
    _check_names(channels, report)
    return tuple(channels)


def _check_names(channels: list[Channel], report: Report) -> None:
    """Report channels whose images would have the same name."""
    tokens: dict[str, int | None] = {}
    for channel in channels:
        token = modality_token(channel.modality, channel.sequence)
        other = tokens.setdefault(token, channel.index)
        if other != channel.index:
            message = f"would be named {token}, as channel {other} is; give each channel its own `sequence`"
            report("channels", Code.CONFLICT, message, str(channel.index))


def _window(written: Any, modality: str, report: Report, key: str, *below: str) -> Window | None:
    """Return the window that a recipe describes, or the default of the modality."""
    if written is None:
        if modality not in DEFAULTS:
            allowed = f"{', '.join(PRESETS)}, or {{level: 40, width: 400}}"
            subject = "`window` is" if below else "is"
            report(key, Code.MISSING, f"{subject} missing; {modality} needs one: {allowed}", *below)
        return DEFAULTS.get(modality)
    if isinstance(written, model.LevelWidth):
        return level_window(float(written.level), float(written.width))
    if isinstance(written, model.MinMax):
        return NAMED["minmax_slice" if written.minmax == "slice" else "minmax"]
    if isinstance(written, model.Percentile):
        low, high = map(float, written.percentile)
        if low >= high:
            allowed = "[low, high] with low below high, such as [0.5, 99.5]"
            report(key, Code.BAD_VALUE, not_allowed(written.percentile, allowed), *below)
        return Window("percentile", low, high)
    if written in PRESETS and modality != "CT":
        allowed = "percentile, minmax, none, {level: ..., width: ...}"
        message = f"{quote(written)} is a window in HU, but the modality is {modality}; allowed: {allowed}"
        report(key, Code.CONFLICT, message, *below)
    return NAMED[written]
