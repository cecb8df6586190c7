"""What became of a case: reported when it ends, and kept in its record."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from curate.ledger.case_key import CaseKey


@dataclass(frozen=True)
class CaseWarning:
    """Something a user should look at: a stable `code`, and the sentence."""

    code: str
    text: str


@dataclass(frozen=True)
class CaseResult:
    """What became of a case.

    `fingerprint` covers everything the rows depend on: inputs, recipe, options. `run` is the id of the run that did it.
    `drops` counts reasons, `labels` are those of which any pixel was seen, `label_ids` the ids their masks carry.
    `kept_mm3` and `lost_mm3` are the foreground of resampled labels that landed on the image, and that did not. `error`
    is the sentence of a case that failed, which is tried again by the next run.
    """

    key: CaseKey
    dataset: str
    fingerprint: str = ""
    source: str = ""
    run: str = ""
    images: int = 0
    masks: int = 0
    seconds: float = 0.0
    drops: dict[str, int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    label_ids: dict[str, int] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    resampled: bool = False
    kept_mm3: float = 0.0
    lost_mm3: float = 0.0
    warnings: tuple[CaseWarning, ...] = ()
    error: str | None = None

    @property
    def case(self) -> str:
        """The case id."""
        return self.key.case

    @property
    def failed(self) -> bool:
        """Whether the case could not be used."""
        return self.error is not None

    def finished(self, fingerprint: str) -> bool:
        """Tell whether the case was done, with everything it depends on as `fingerprint` says."""
        return not self.failed and self.fingerprint == fingerprint

    def to_json(self) -> str:
        """Return the result as JSON text; key and data set are left to the place where it is kept."""
        content = asdict(self)
        del content["key"], content["dataset"]
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str | bytes, key: CaseKey, dataset: str) -> "CaseResult":
        """Return the result of `to_json`, or of a record of medcorpus 0.1.

        Raises ValueError, TypeError or KeyError where the text is neither.
        """
        content: dict[str, Any] = json.loads(text)
        if "failed" in content:  # 0.1 kept a flag and left the reason to the rows
            failed = content.pop("failed")
            content.pop("case")
            content["error"] = "failed before" if failed else None
        content["labels"] = tuple(content.get("labels", ()))
        content["inputs"] = tuple(content.get("inputs", ()))
        content["warnings"] = tuple(CaseWarning(**one) for one in content.get("warnings", ()))
        return cls(key, dataset, **content)
