"""What a run would cost, estimated from a few cases: images, masks, bytes, files, minutes."""

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

from curate.pipeline.curate_case import curate_case
from curate.run.plan import Plan, decoded_bytes

PROBED_CASES = 3


@dataclass(frozen=True)
class Estimate:
    """What is to be done, and what it would come to, by the voxels of the probed cases.

    `minutes` is for one worker. `failed` are the probed cases that cannot be used, with their reasons.
    """

    dataset: str
    cases: int
    done: int
    to_do: int
    probed: int
    images: int
    masks: int
    files: int
    bytes: int
    minutes: float
    failed: dict[str, str]


def estimate(plan: Plan) -> Estimate:
    """Curate up to PROBED_CASES cases, spread over the plan, into a temporary folder, and scale up by voxels."""
    tasks = plan.tasks
    count = min(PROBED_CASES, len(tasks))
    chosen = [tasks[(2 * n + 1) * len(tasks) // (2 * count)] for n in range(count)]
    weights = {task.key: max(1, decoded_bytes(task)) for task in tasks}
    images = masks = files = size = 0
    seconds = 0.0
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="curate-probe-") as folder:
        out = Path(folder)
        if chosen:  # the first call compiles
            curate_case(dataclasses.replace(chosen[0], out=out / "warm"))
        for task in chosen:
            report = curate_case(dataclasses.replace(task, out=out / "probe"))
            images, masks, seconds = images + report.images, masks + report.masks, seconds + report.seconds
            if report.error is not None:
                failed[report.case] = report.error
        for path in (out / "probe").rglob("*"):
            if path.is_file():
                files, size = files + 1, size + path.stat().st_size
    scale = sum(weights.values()) / max(1, sum(weights[task.key] for task in chosen))
    return Estimate(
        dataset=plan.recipe.name,
        cases=len(tasks) + len(plan.done),
        done=len(plan.done),
        to_do=len(tasks),
        probed=count,
        images=round(images * scale),
        masks=round(masks * scale),
        files=round(files * scale),
        bytes=round(size * scale),
        minutes=seconds * scale / 60,
        failed=failed,
    )
