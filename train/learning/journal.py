"""What a run tells: a CSV line a step, TensorBoard's events, a bar or lines, a picture of the losses."""

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

from catalog.atomic import write_atomic
from catalog.errors import OutputError

LOSSES = ("loss", "embedding", "teacher", "dice", "bce", "boundary", "iou")
COLUMNS = ("step", "epoch", "split", *LOSSES, "dsc", "nsd", "lr", "images_per_second")
LOG_SECONDS = 10.0

Line = dict[str, Any]


class Journal:
    """Writes `log.csv`, and `tensorboard/` where TensorBoard is installed; shows where the run is.

    Args:
        folder: The run's.
        steps: Of the whole run.
        since: Lines after this step are dropped: a resumed run writes them again.
        shown: False in all processes but the first, which write and show nothing.
    """

    def __init__(self, folder: Path, steps: int, since: int = 0, *, shown: bool = True) -> None:
        self._shown = shown
        self._steps, self._since, self._step = steps, since, since
        self._file = folder / "log.csv"
        self._bar: Any = None
        self._events: Any = None
        self._started = self._told = monotonic()
        if not shown:
            return
        kept = [line for line in read_log(self._file) if int(line["step"]) <= since] if since else []
        write_atomic(self._file, _text([dict(zip(COLUMNS, COLUMNS, strict=True)), *kept]).encode())
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=steps, initial=since, unit="step", dynamic_ncols=True)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._events = SummaryWriter(folder / "tensorboard", purge_step=since + 1)

    def write(self, line: Line) -> None:
        """Add a line; its keys are among `COLUMNS`.

        Raises:
            OutputError: the disk is full.
        """
        if not self._shown:
            return
        try:
            with self._file.open("a", newline="") as file:
                file.write(_text([line]))
        except OSError as error:
            raise OutputError(f"{self._file} cannot be written: {error.strerror or error}") from error
        if self._events is not None:
            for name, value in line.items():
                if name not in ("step", "epoch", "split"):
                    self._events.add_scalar(f"{line['split']}/{name}", value, line["step"])

    def show(self, step: int, line: Line) -> None:
        """Move the bar to a step, or say where the run is every few seconds."""
        if not self._shown:
            return
        rate = f"{line['images_per_second']:.1f} images/s"
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {line['loss']:.4f}, {rate}", refresh=False)
            self._bar.update(step - self._bar.n)
        elif monotonic() - self._told >= LOG_SECONDS:
            self._told = monotonic()
            left = (self._told - self._started) / max(1, step - self._since) * (self._steps - step)
            self.say(f"step {step}/{self._steps}, epoch {line['epoch']}, loss {line['loss']:.4f}, {rate}, "
                     f"{_clock(left)} left")  # fmt: skip

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if not self._shown:
            return
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._events is not None:
            self._events.close()


def read_log(file: Path) -> list[dict[str, str]]:
    """Return the lines of a log, none where there is no file; a line cut short by a kill is left out."""
    if not file.is_file():
        return []
    text = file.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]
    return list(csv.DictReader(io.StringIO(whole)))


def draw_curve(file: Path, picture: Path) -> None:
    """Draw the losses of a log over its steps, training and validation, as a PNG.

    Raises:
        OutputError: the disk is full.
    """
    from matplotlib.figure import Figure

    lines = read_log(file)
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    scale = "log" if any(float(line["loss"]) > 0 for line in lines) else "linear"
    for split, style in (("train", {"alpha": 0.35, "linewidth": 0.8}), ("val", {"marker": "o", "markersize": 3})):
        points = [(int(line["step"]), float(line["loss"])) for line in lines if line["split"] == split]
        if points:
            left.plot(*zip(*points, strict=True), label=split, **style)
    dsc = [(int(line["step"]), float(line["dsc"])) for line in lines if line["split"] == "val" and line["dsc"]]
    if dsc:
        right.plot(*zip(*dsc, strict=True), marker="o", markersize=3, color="tab:green")
    left.set(title="loss", xlabel="step", yscale=scale)
    right.set(title="validation DSC at 256 x 256", xlabel="step")
    if left.lines:
        left.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    write_atomic(picture, content.getvalue())


def _text(lines: Sequence[Line]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    for line in lines:
        writer.writerow({name: f"{value:.6g}" if isinstance(value, float) else value for name, value in line.items()})
    return out.getvalue()


def _clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
