"""Links, paths, versions and words of all pages."""

import re
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import PAGES, ROOT, code_words, page

OURS = {
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "python.md",
    "benchmarks.md",
    "curate.md",
    "recipes.md",
    "design.md",
}


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if re.match(r"https?:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found.read_text("utf-8")), target


@pytest.mark.parametrize("name", ["docs/design.md", "CONTRIBUTING.md", "README.md"])
def test_paths_named_in_pages_exist(name: str) -> None:
    for word in code_words(page(name)):
        if (
            re.fullmatch(
                r"(catalog|curate|medcorpus|predict|train|recipes|tests|docs|benchmarks|examples)(/[\w.-]+)*/?", word
            )
            and "/" in word
            and "NAME" not in word
        ):
            assert (ROOT / word).exists(), word


def test_one_version() -> None:
    version = re.search(r'^version = "(.*)"$', page("pyproject.toml"), re.MULTILINE)
    assert version is not None
    citation = yaml.safe_load(page("CITATION.cff"))
    assert citation["version"] == version[1]
    assert {"cff-version", "message", "title", "authors", "license"} <= citation.keys()
    assert re.search(rf"^## {re.escape(version[1])}\b", page("CHANGELOG.md"), re.MULTILINE)


@pytest.mark.parametrize("path", [path for path in PAGES if path.name in OURS], ids=lambda path: path.name)
def test_pages_are_in_plain_english(path: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", path.read_text("utf-8"), flags=re.DOTALL)
    for words in (
        r"\btold\b",
        r"\bis no\b(?! longer)",
        r"\blies?\b",
        r"\bbeside\b",
        r"\breckon",
        r"\banew\b",
        r"\bcomes? along\b",
    ):
        assert not re.search(words, text), words


def test_the_pre_commit_hooks_run_what_make_test_checks() -> None:
    hooks = [hook for repo in yaml.safe_load(page(".pre-commit-config.yaml"))["repos"] for hook in repo["hooks"]]
    entries = " ".join(str(hook.get("entry", hook["id"])) for hook in hooks)
    for command in ("ruff check", "ruff format", "mypy"):
        assert command in entries
