"""What became of a recipe's cases, and how the terminal shows it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from catalog.sizes import format_size
from catalog.text import printable
from curate.ledger.case_result import CaseResult
from curate.run.estimate import Estimate
from curate.run.plan import Plan

_SHOWN = 20


@dataclass
class RunSummary:
    """What became of a recipe's cases, those of earlier runs included.

    `labels_never_found` are labels of the recipe that no case has, `files_unnamed` label files by a word that no label
    names; `case_warnings` are (code, sentence) by case, `resampled` (kept, lost) foreground in mm^3 by case. `seconds`
    is the time of the work, summed over the runs that did it.
    """

    dataset: str
    cases: int = 0
    done_before: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    images: int = 0
    masks: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    resampled: dict[str, tuple[float, float]] = field(default_factory=dict)
    seconds: float = 0.0
    slowest: tuple[str, float] | None = None
    warnings: list[str] = field(default_factory=list)
    case_warnings: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    labels_never_found: list[str] = field(default_factory=list)
    files_unnamed: dict[str, int] = field(default_factory=dict)

    def add(self, result: CaseResult) -> None:
        """Count a case, done in this run or before."""
        self.images += result.images
        self.masks += result.masks
        for reason, count in result.drops.items():
            self.drops[reason] = self.drops.get(reason, 0) + count
        if result.resampled:
            self.resampled[result.case] = (round(result.kept_mm3, 1), round(result.lost_mm3, 1))
        if result.error is not None:
            self.failed[result.case] = result.error
        if result.warnings:
            self.case_warnings.setdefault(result.case, []).extend((one.code, one.text) for one in result.warnings)
        if self.slowest is None or result.seconds > self.slowest[1]:
            self.slowest = (result.case, result.seconds)

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    @property
    def wrong(self) -> bool:
        """Whether the run ends with exit status 1: a case failed, or labels were given and no mask came out."""
        return bool(self.failed) or self.without_masks

    @property
    def without_masks(self) -> bool:
        """Whether the recipe has labels and none of them gave a mask."""
        return not self.masks and bool(self.labels_never_found or self.drops.get("small"))


def begin_summary(plan: Plan, excluded: str) -> RunSummary:
    """Return the summary of a plan before its tasks are done; `excluded` names the reason of excluded cases."""
    summary = RunSummary(plan.recipe.name, cases=len(plan.tasks) + len(plan.done), done_before=len(plan.done))
    summary.warnings += plan.found.warnings
    summary.files_unnamed = plan.found.unnamed
    for result in plan.done:
        summary.add(result)
    if plan.found.excluded:
        summary.drops[excluded] = len(plan.found.excluded)
    return summary


def print_summary(summary: RunSummary) -> None:
    """Print what became of a recipe's cases."""
    for line in _lines(summary):
        print(printable(line))


def _lines(summary: RunSummary) -> Iterator[str]:
    before = f" ({summary.done_before} done before)" if summary.done_before else ""
    yield (
        f"{summary.dataset}: {summary.cases} cases{before}, {summary.images} images, {summary.masks} masks "
        f"in {summary.seconds:.1f} s"
    )
    drops = sorted(summary.drops.items(), key=lambda drop: -drop[1])
    if drops:
        yield "  dropped: " + ", ".join(f"{reason} {count}" for reason, count in drops)
    if summary.resampled:
        kept, lost = (sum(pair[n] for pair in summary.resampled.values()) for n in (0, 1))
        yield (
            f"  labels on another grid, resampled: {len(summary.resampled)} cases, "
            f"{kept:.0f} mm3 of foreground kept, {lost:.0f} mm3 lost"
        )
    if summary.labels_never_found:
        yield f"  labels never found: {_some(summary.labels_never_found)}"
    if summary.files_unnamed:
        words = [f"{word} ({count})" for word, count in summary.files_unnamed.items()]
        yield f"  label files that no label names: {_some(words)}"
    if summary.slowest:
        yield f"  slowest case: {summary.slowest[0]}, {summary.slowest[1]:.1f} s"
    if summary.without_masks:
        yield "  warning: no mask at all came out of this recipe; check its labels, `min_area` and the warnings below"
    for warning in summary.warnings:
        yield f"  warning: {warning}"
    yield from _case_warnings(summary)
    for case, reason in sorted(summary.failed.items()):
        yield f"  failed: {case}: {reason}"


def _some(words: list[str]) -> str:
    more = f" and {len(words) - _SHOWN} more (all in run.json)" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more


def _case_warnings(summary: RunSummary) -> Iterator[str]:
    by_code = Counter(code for warnings in summary.case_warnings.values() for code, _ in warnings)
    if not by_code:
        return
    counts = ", ".join(f"{code} {count}" for code, count in sorted(by_code.items()))
    yield f"  warnings in {len(summary.case_warnings)} cases: {counts} (all in warnings.parquet)"
    listed = [(case, text) for case, found in sorted(summary.case_warnings.items()) for _, text in found]
    for case, text in listed[:_SHOWN]:
        yield f"  warning: {case}: {text}"


def print_estimate(one: Estimate, workers: int) -> None:
    """Print what a run would come to."""
    print(f"{one.dataset}: {one.cases} cases, {one.done} done, {one.to_do} to do (estimated from {one.probed} cases)")
    print(
        f"  about {one.images} images, {one.masks} masks, {one.files} files, {format_size(one.bytes)}, "
        f"{_duration(one.minutes)} for one worker, {_duration(one.minutes / max(1, min(workers, one.to_do)))} "
        f"for {workers}"
    )
    for case, reason in sorted(one.failed.items()):
        print(f"  would fail: {case}: {reason}")


def _duration(minutes: float) -> str:
    return f"{minutes:.1f} minutes" if minutes >= 1 else f"{60 * minutes:.0f} s"
