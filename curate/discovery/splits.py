"""Splits: to which official part of a source, train, val or test, an image belongs."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from curate.discovery.images import FoundImage, some
from curate.discovery.tables import read_table
from curate.errors import SourceError
from curate.paths.listing import Folders
from curate.recipe.resolved import Recipe, SplitField, SplitLists, SplitTable

Rule = SplitField | SplitTable | SplitLists

_UNKNOWN = "(unknown)"


class Splits:
    """Finds the split of each image by the rule of its group; without a rule there is none.

    A table or list that is missing leaves its cases without a split, with a warning, since no pixel depends on it.
    """

    def __init__(self, recipe: Recipe, folders: Folders) -> None:
        self._rules = [group.split for group in recipe.groups]
        self._absent: list[str] = []
        self._tables = {
            rule: self._read(rule, folders.root)
            for rule in dict.fromkeys(self._rules)
            if isinstance(rule, SplitTable | SplitLists)
        }
        self._strange: Counter[str] = Counter()
        self._unlisted: dict[str, list[str]] = {}

    def of(self, image: FoundImage, patient: str) -> str | None:
        """Return the split of an image, or None."""
        rule = self._rules[image.group]
        if rule is None or isinstance(rule, str):
            return rule
        if isinstance(rule, SplitField):
            return self._translated(rule, image.fields[rule.field], f"{{{rule.field}}}")
        table = self._tables[rule]
        name = PurePosixPath(image.path).name
        for key in (image.id, image.case, patient, image.path, name, name.partition(".")[0]):
            if key in table:
                return self._translated(rule, table[key], rule.csv) if isinstance(rule, SplitTable) else table[key]
        if table:
            self._unlisted.setdefault(_names(rule), []).append(image.case)
        return None

    def warnings(self) -> Iterator[str]:
        """Yield a sentence for each file that is missing, each word that is not known, and what no file lists."""
        for path in self._absent:
            yield f"{path} is not here: its cases have no official split"
        for what, count in self._strange.items():
            yield f"{what} is no split that the recipe knows: {count} cases have none"
        for name, cases in self._unlisted.items():
            yield f"{name} has no split for {some(sorted(set(cases)))}"

    def _translated(self, rule: SplitField | SplitTable, word: str, where: str) -> str | None:
        split = dict(rule.words).get(word, _UNKNOWN)
        if split != _UNKNOWN:
            return split
        self._strange[f"{word!r} of {where}"] += 1
        return None

    def _read(self, rule: SplitTable | SplitLists, source: Path) -> dict[str, str]:
        if isinstance(rule, SplitTable):
            try:
                return read_table(source / rule.csv, rule.case, rule.split, "split")
            except FileNotFoundError:
                self._absent.append(rule.csv)
                return {}
        found: dict[str, str] = {}
        for split, path in rule.files:
            for line in self._lines(source / path, path):
                other = found.setdefault(line, split)
                if other != split:
                    raise SourceError(f"the split lists of {source} name {line!r} in both {other} and {split}")
        return found

    def _lines(self, file: Path, path: str) -> list[str]:
        try:
            return list(filter(None, (line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines())))
        except FileNotFoundError:
            self._absent.append(path)
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"the split list {file} cannot be read: {error}") from None
        return []


def _names(rule: SplitTable | SplitLists) -> str:
    return rule.csv if isinstance(rule, SplitTable) else ", ".join(path for _, path in rule.files)
