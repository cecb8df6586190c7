"""A flag for each number of a protocol, so that any of them can be overridden on the command line."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from train.learning.protocol import parse_value, protocol_fields

GIVEN = "given"
"""The parameter by which a decorated command gets the overridden values."""


def with_protocol_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a flag a field of Protocol; it gets those that were set as a mapping, `given`."""
    fields = protocol_fields()

    @wraps(command)
    def called(**values: Any) -> None:
        given = {name: parse_value(name, values.pop(name)) for name in fields if values.get(name) is not None}
        for name in fields:
            values.pop(name, None)
        command(**values, given=given)

    own = [one for one in inspect.signature(command, eval_str=True).parameters.values() if one.name != GIVEN]
    flags = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=typer.Option(None, f"--{name.replace('_', '-')}", help=text, show_default=False, metavar="VALUE",
                                 rich_help_panel="Numbers of the protocol"),
            annotation=str | None,
        )
        for name, text in fields.items()
    ]  # fmt: skip
    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    called.__doc__ = f"{command.__doc__}\n\n    Flags from --{next(iter(fields))} on override numbers of the protocol."
    called.__signature__ = inspect.Signature([*keywords, *flags])  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in (*keywords, *flags)}
    return called
