"""What a run says of itself on the terminal."""

from curate.run.estimate import Estimate
from curate.run.run import Summary


def print_summary(summary: Summary) -> None:
    """Print what became of a recipe's cases."""
    before = f" ({summary.done_before} done before)" if summary.done_before else ""
    print(
        f"{summary.dataset}: {summary.cases} cases{before}, {summary.images} images, {summary.masks} masks "
        f"in {summary.seconds:.1f} s"
    )
    drops = sorted(summary.drops.items(), key=lambda drop: -drop[1])
    dropped = ", ".join(f"{reason} {count}" for reason, count in drops)
    if dropped:
        print(f"  dropped: {dropped}")
    if summary.resampled:
        print(f"  labels on another grid, resampled: {summary.resampled} cases")
    if summary.slowest:
        print(f"  slowest case: {summary.slowest[0]}, {summary.slowest[1]:.1f} s")
    for warning in summary.warnings:
        print(f"  warning: {warning}")
    for case, reason in sorted(summary.failed.items()):
        print(f"  failed: {case}: {reason}")


def print_estimate(one: Estimate, workers: int) -> None:
    """Print what a run would come to."""
    print(f"{one.dataset}: {one.cases} cases, {one.done} done, {one.to_do} to do (by {one.probed} probed cases)")
    print(
        f"  about {one.images} images, {one.masks} masks, {one.files} files, {one.bytes / 1e6:.0f} MB, "
        f"{_duration(one.minutes)} for one worker, {_duration(one.minutes / max(1, min(workers, one.to_do)))} "
        f"for {workers}"
    )
    for case, reason in sorted(one.failed.items()):
        print(f"  would fail: {case}: {reason}")


def _duration(minutes: float) -> str:
    return f"{minutes:.1f} minutes" if minutes >= 1 else f"{60 * minutes:.0f} s"
