"""All that a run needs to go on, in one file that is there whole or not at all."""

import io
from pathlib import Path
from typing import Any

import torch

from catalog.atomic import write_atomic
from train.errors import RequestError, TrainingError

CHECKPOINT = "checkpoint.pt"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values.

    Raises:
        OutputError: the disk is full.
    """
    content = io.BytesIO()
    torch.save(state, content)
    write_atomic(path, content.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; nothing in the file is run.

    Raises:
        RequestError: there is none.
        TrainingError: it is damaged.
    """
    if not path.is_file():
        raise RequestError(f"there is nothing to resume: {path} is no file. Start without --resume")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # A damaged archive ends in whatever its bytes led to.
        raise TrainingError(
            f"{path} is damaged: {(str(error) or type(error).__name__).splitlines()[0]}. Delete it and start again "
            "without --resume, or go on from the best weights by `train finetune`"
        ) from error
    if not isinstance(state, dict):
        raise TrainingError(f"{path} is no checkpoint of a run. Start again in another folder")
    return state
