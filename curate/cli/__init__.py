"""The `curate` command: parse options, call the library, print the result.

Exit status: 0 done, 1 done but something failed, 2 usage or configuration error. Heavy imports are inside the commands.
"""

import os
import sys

from catalog.errors import MedcorpusError
from catalog.text import printable
from curate.cli import corpus, recipes, run  # noqa: F401 - each module adds its commands to the app
from curate.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    try:
        app()
    except MedcorpusError as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
