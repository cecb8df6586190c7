"""The key of a case among all of its data set: it names the case's record under `.state`."""

from typing import NamedTuple

EXCLUDED = "excluded"
"""In place of a modality token: the case was left out by the recipe."""

_SEPARATOR = "--"


class CaseKey(NamedTuple):
    """The modality token of a case's first channel, and its case id; `str` gives `token--case`."""

    token: str
    case: str

    def __str__(self) -> str:
        return f"{self.token}{_SEPARATOR}{self.case}"

    @classmethod
    def parse(cls, text: str) -> "CaseKey":
        """Return the key of `token--case`; neither part contains `--`."""
        token, _, case = text.partition(_SEPARATOR)
        return cls(token, case)
