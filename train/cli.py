"""The `train` command: from a corpus to a light segmenter and its scores.

Exit status: 0 done, 1 done but something failed, 2 usage or configuration error.
"""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from catalog.errors import MedcorpusError
from train.commands.embed import embed
from train.commands.evaluate import evaluate
from train.commands.export import export
from train.commands.models import models
from train.commands.training import distill, finetune, teacher

app = typer.Typer(
    help="From a corpus to a light segmenter and its scores.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"medcorpus {version('medcorpus')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """From a corpus to a light segmenter and its scores."""


for command in (models, embed, distill, finetune, teacher, evaluate, export):
    app.command()(command)


def main() -> None:
    """Run the command line; an error that a user can fix ends in one message and its exit status."""
    try:
        app()
    except MedcorpusError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        typer.echo("error: torch is not installed: pip install 'medcorpus[train]'", err=True)
        sys.exit(2)
