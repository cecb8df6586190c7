"""run.json: what each recipe's last run did."""

import dataclasses
from importlib.metadata import version
from pathlib import Path
from time import time
from typing import Any

from catalog.atomic import read_json, write_json
from catalog.errors import CatalogError
from catalog.schema import SCHEMA_VERSION
from curate.run.plan import Options, Plan
from curate.run.summary import RunSummary

FILE = "run.json"


def write_run_file(out: Path, plan: Plan, options: Options, summary: RunSummary) -> None:
    """Write the summary of a run beside those of the corpus's other recipes.

    The source folder is not in it, since it differs between machines. A run that had nothing to do keeps the seconds
    and the time of the run that did the work.
    """
    path = out / FILE
    datasets = _datasets(path)
    recipe = plan.recipe
    before = datasets.get(recipe.name, {})
    idle = not plan.tasks and "seconds" in before
    datasets[recipe.name] = {
        "recipe": recipe.path.name if recipe.path else None,
        "recipe_hash": recipe.hash,
        "title": recipe.title,
        "license": dataclasses.asdict(recipe.license),
        "store": options.store,
        "cases": summary.cases,
        "failed": dict(sorted(summary.failed.items())),
        "images": summary.images,
        "masks": summary.masks,
        "drops": dict(sorted(summary.drops.items())),
        "resampled": {
            case: {"kept_mm3": kept, "lost_mm3": lost} for case, (kept, lost) in sorted(summary.resampled.items())
        },
        "warnings": summary.warnings,
        "case_warnings": sum(map(len, summary.case_warnings.values())),
        "labels_never_found": summary.labels_never_found,
        "files_unnamed": summary.files_unnamed,
        "seconds": before["seconds"] if idle else round(summary.seconds, 3),
        "finished": before.get("finished") if idle else int(time()),
    }
    write_json(path, {"medcorpus": version("medcorpus"), "schema_version": SCHEMA_VERSION, "datasets": datasets})


def _datasets(path: Path) -> dict[str, Any]:
    """Return the summaries of earlier runs; none where the file is missing or damaged."""
    try:
        datasets: dict[str, Any] = read_json(path, {}).get("datasets", {})
        return datasets
    except (CatalogError, AttributeError):
        return {}
