"""Commands and options in the pages are those of the applications."""

import importlib
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from tests.docs.pages import PAGES, page

COMMANDS = {"curate": "curate.cli", "train": "train.cli", "predict": "predict.cli.command"}


def commands(name: str) -> dict[str, Any]:
    """The commands of an application by name; of one without subcommands, the one with an empty name."""
    command = typer.main.get_command(importlib.import_module(COMMANDS[name]).app)
    return dict(getattr(command, "commands", {"": command}))


def options(command: Any) -> set[str]:
    found = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return {option for option in found if option.startswith("--")} - {"--help"}


def test_the_page_of_curate_has_every_command_and_option_and_no_other() -> None:
    text = page("docs/curate.md")
    everywhere: set[str] = {"--help", "--version", "--install-completion", "--show-completion"}
    for name, command in commands("curate").items():
        assert f"`curate {name}`" in text, name
        assert re.search(rf"^#+ .*`curate {name}`", text, re.MULTILINE)
        for option in options(command):
            assert re.search(rf"`{option}[`\s]", text), f"{option} of curate {name}"
        everywhere |= options(command)
    for option in re.findall(r"`(--[a-z-]+)", text):
        assert option in everywhere, option


def command_lines() -> Iterator[tuple[str, str]]:
    """Each command line of ours in a code block of a page, with the name of the page."""
    for path in PAGES:
        text = re.sub(r" *\\\n\s*", " ", path.read_text("utf-8"))
        for line in re.findall(r"^(?: {4,}|\$ )((?:curate|train|predict) .*)$", text, re.MULTILINE):
            if "dropped" not in line:
                yield path.name, re.sub(r"\s{2,}.*|\s#.*", "", line.strip())


@pytest.mark.parametrize(("name", "line"), sorted(set(command_lines())))
def test_command_lines_in_pages_are_valid(name: str, line: str) -> None:
    program, *words = shlex.split(line.replace("$DATA", ""))
    known = commands(program)
    command = known[""] if "" in known else known[words[0]]
    for word in words:
        if word.startswith("--") and not word.startswith(("--help", "--version")):
            assert word.partition("=")[0] in options(command), f"{name}: {line}"
