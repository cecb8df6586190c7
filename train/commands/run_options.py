"""The options shared by all training commands, and a flag for each number of a protocol."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from predict.cli.selection_options import (
    ALL,
    Every,
    HeldOutFile,
    Manifest,
    Only,
    Shares,
    SplitSeed,
    Without,
    select,
    split_of,
)
from train.learning.protocol import load_protocol, parse_value, protocol_fields

if TYPE_CHECKING:  # imports torch, which a help page does not need
    from train.learning.request import Request

P = ParamSpec("P")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options that `train teacher`, `distill` and `finetune` share; `given` holds the protocol's overrides."""

    manifest: Manifest
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run.  [default: runs/MODEL-1, or the next number]", show_default=False),
    ] = None
    only: Only = None
    without: Without = None
    every: Every = 1
    shares: Shares = None
    split_seed: SplitSeed = 0
    held_out: HeldOutFile = None
    split: Annotated[str, typer.Option(help=f"Split to train on; `{ALL}`: every mask that is not held out.")] = "train"
    val: Annotated[
        str, typer.Option("--val-split", help="Split that selects the best weights; `none`: keep the last weights.")
    ] = "val"
    seed: Annotated[int, typer.Option(help="Random seed for initialisation, shuffling and augmentation.")] = 0
    workers: Annotated[int, typer.Option(min=0, help="Worker processes that read images; 0: none.")] = 0
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1.  [default: cuda if available]")] = None
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.  [default: one per core]")] = None
    checkpoint_steps: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 200
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Require a run to resume, and allow more --epochs. Without it, the same command resumes its own run.",
        ),
    ] = False
    given: Mapping[str, Any] = field(default_factory=dict)

    def request(
        self,
        command: str,
        model: str,
        protocol: str,
        *,
        start: str | None = None,
        backbone: bool = False,
        teacher: str | None = None,
        embeddings: Path | None = None,
        unless_given: Mapping[str, Any] | None = None,
    ) -> "Request":
        """Combine these options with a command's own.

        Args:
            command, model, start, backbone, teacher, embeddings: As in Request.
            protocol: Name or file of the protocol.
            unless_given: Overrides of its numbers where the command line has none.

        Raises:
            RequestError: there is no such protocol, or a number is invalid.
            DataError: the shares cannot be read.
        """
        from train.learning.request import Request

        return Request(
            command=command,
            model=model,
            protocol=load_protocol(protocol, {**(unless_given or {}), **self.given}),
            selection=select(
                self.manifest, self.only, self.without, self.every, self.shares, self.split_seed, self.held_out
            ),
            out=self.out,
            start=start,
            backbone=backbone,
            teacher=teacher,
            embeddings=embeddings,
            split=split_of(self.split),
            val=None if self.val == "none" else split_of(self.val),
            seed=self.seed,
            workers=self.workers,
            checkpoint_steps=self.checkpoint_steps,
            resume=self.resume,
        )


def with_run_options(command: Callable[Concatenate[RunOptions, P], None]) -> Callable[..., None]:
    """Add to a command the options of a run, and a flag for each number of a protocol.

    The command gets them as its first parameter. In its help, those without a default come before its own options, the
    others after them.
    """
    shared = dict(inspect.signature(RunOptions).parameters)
    del shared["given"]
    numbers = protocol_fields()

    @wraps(command)
    def called(**values: Any) -> None:
        given = {name: parse_value(name, text) for name in numbers if (text := values.pop(name)) is not None}
        run = RunOptions(**{name: values.pop(name) for name in shared}, given=given)
        command(run, **values)  # type: ignore[call-arg]

    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    flags = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=typer.Option(None, f"--{name.replace('_', '-')}", help=text, show_default=False, metavar="VALUE",
                                 rich_help_panel="Overrides of the protocol"),
            annotation=str | None,
        )
        for name, text in numbers.items()
    ]  # fmt: skip
    parameters = [
        *(one for one in shared.values() if one.default is one.empty),
        *(one.replace(kind=one.KEYWORD_ONLY) for one in own),
        *(one for one in shared.values() if one.default is not one.empty),
        *flags,
    ]
    called.__doc__ = f"{command.__doc__}\n\n    Flags from --{next(iter(numbers))} on override the protocol."
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called
