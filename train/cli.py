"""`train`: from a corpus to a light segmenter and its scores.

Exit status: 0 done, 1 done but something failed, 2 asked wrongly.
"""

import sys

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
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


for command in (models, embed, distill, finetune, teacher, evaluate, export):
    app.command()(command)


def main() -> None:
    """Run the command line; trouble that a user can mend ends in one message and status 2."""
    try:
        app()
    except MedcorpusError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        typer.echo("error: this needs torch: pip install 'medcorpus[train]'", err=True)
        sys.exit(2)
