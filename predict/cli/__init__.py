"""The `predict` command."""

from predict.cli.command import main

__all__ = ["main"]
