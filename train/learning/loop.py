"""Training: epochs of steps, checkpoints between them, and the weights that score best.

OUT/run.json            what is trained on what, how, by which versions
OUT/log.csv             a line a step and a line a validation
OUT/tensorboard/        the same for TensorBoard, where it is installed
OUT/curve.png           the losses as a picture, after each epoch
OUT/checkpoint.pt       all that is needed to go on
OUT/last.safetensors    the weights after the last whole epoch
OUT/best.safetensors    those that scored best on the validation split
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from catalog.samples import Samples
from train.data.augmentations import TABLES
from train.data.dataset import Item, MaskDataset, batches, make_loader
from train.data.sampling import EpochSampler
from train.errors import RequestError, TrainingError
from train.learning.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from train.learning.distributed import Process
from train.learning.journal import Journal, draw_curve
from train.learning.learner import Learner
from train.learning.protocol import Protocol
from train.learning.schedule import Schedule
from train.learning.targets import Target
from train.learning.validation import validate
from train.models.load import ABOUT_PRESET
from train.models.segmenter import Segmenter
from train.models.weights import save_weights

LAST, BEST = "last.safetensors", "best.safetensors"


@dataclass(frozen=True)
class Plan:
    """What is trained: a model with its first weights, on which masks, towards what.

    `target` is there where the protocol imitates a teacher, and None elsewhere. Without `val` the last weights are the
    best. `decoder_ready` says that the decoder's first weights are not random, so that its scores have a meaning even
    where no loss looks at masks. `resumed`: it goes on from the checkpoint in `out`; `note` is said at the start.
    """

    model: Segmenter
    protocol: Protocol
    train: Samples
    val: Samples | None
    target: Target | None
    out: Path
    seed: int = 0
    workers: int = 0
    checkpoint_steps: int = 200
    decoder_ready: bool = True
    resumed: bool = False
    note: str | None = None

    @property
    def scores_masks(self) -> bool:
        """True where validation scores masks."""
        return self.decoder_ready or self.protocol.decodes


@dataclass(frozen=True)
class Result:
    """The end of a run.

    `score` is the best mean of validation DSC and NSD, or minus the least loss where no loss looks at masks.
    """

    steps: int
    score: float
    best: Path


def train_model(plan: Plan, process: Process) -> Result:
    """Train to the end of the protocol, or go on from the last checkpoint.

    Equal plans give equal losses, also when a run was ended between and resumed: what an image goes through and all
    randomness of a step depend on the seed and the step alone.

    Raises:
        RequestError: there is nothing to resume, or a batch does not come in equal parts.
        TrainingError: a loss or a weight is no number, or memory is too small; the last whole checkpoint and the best
            weights stay.
        CatalogError, DataError: pixels or embeddings are missing or damaged.
        OutputError: the disk is full.
    """
    try:
        return _Run(plan, process).go()
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _too_big(plan) from error
    except RuntimeError as error:
        if "memory" in str(error).lower() and "alloc" in str(error).lower():
            raise _too_big(plan) from error
        if "DataLoader worker" in str(error):
            raise TrainingError(
                f"a process that reads images was ended from outside, as where memory or /dev/shm is short: "
                f"{str(error).splitlines()[0]} Lower --workers"
            ) from error
        raise


def _too_big(plan: Plan) -> TrainingError:
    return TrainingError(
        f"a batch of {plan.protocol.batch} in {plan.protocol.accumulate} part(s) does not fit into memory: "
        "raise --accumulate, lower --batch, or use --precision bf16"
    )


class _Run:
    def __init__(self, plan: Plan, process: Process) -> None:
        self.plan, self.process, protocol = plan, process, plan.protocol
        self.part = protocol.batch // (process.world * protocol.accumulate)
        if self.part * process.world * protocol.accumulate != protocol.batch:
            raise RequestError(
                f"a batch of {protocol.batch} does not come in equal parts for {process.world} processes with "
                f"{protocol.accumulate} part(s) each: give a --batch that is a multiple of "
                f"{process.world * protocol.accumulate}"
            )
        self.per_epoch = max(1, plan.train.images // protocol.batch)
        self.steps = self.per_epoch * protocol.epochs
        self.sampler = EpochSampler(plan.train, plan.seed, by=protocol.balance, temperature=protocol.temperature,
                                    rank=process.rank, world=process.world)  # fmt: skip
        size = plan.model.preset.image_size
        table = tuple(TABLES[protocol.augment])
        pinned = process.device.type == "cuda"
        dataset = MaskDataset(plan.train, table, size, protocol.views)
        self.loader = make_loader(dataset, self.sampler, self.part, plan.workers, pinned=pinned)
        self.val_loader = None
        if plan.val is not None:
            self.val_sampler = EpochSampler(plan.val, plan.seed, rank=process.rank, world=process.world)
            self.val_loader = make_loader(MaskDataset(plan.val, (), size), self.val_sampler, self.part, plan.workers)
        model = plan.model.to(process.device)
        model.image_encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if process.world > 1 and process.device.type == "cuda":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        self.learner = Learner(model, protocol)
        self.stepped: nn.Module = self.learner
        if process.world > 1:
            # Without a mask the decoder has no gradient, and parts of the prompt encoder, for points, never have one.
            unused = any("prompt_encoder" in part for part in protocol.trained)
            unused |= protocol.embedding_epochs > 0 or not (protocol.decodes or protocol.uses("teacher"))
            self.stepped = DistributedDataParallel(self.learner, find_unused_parameters=unused)
        self.optimizer = torch.optim.AdamW(self._groups(), lr=protocol.lr, weight_decay=protocol.weight_decay)
        self.schedule = Schedule(self.optimizer, protocol, self.per_epoch)
        self.scaler = torch.amp.GradScaler(process.device.type, enabled=protocol.precision == "fp16")
        self.mean: AveragedModel | None = None
        if protocol.ema is not None:
            average = get_ema_multi_avg_fn(protocol.ema)  # type: ignore[no-untyped-call]
            self.mean = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
        self.step = 0
        self.epoch_loss = 0.0
        self.score = -math.inf

    def go(self) -> Result:
        if self.plan.resumed:
            self._load(load_checkpoint(self.plan.out / CHECKPOINT))
        out = self.plan.out
        with Journal(out, self.steps, self.step, shown=self.process.first) as journal:
            if self.plan.note:
                journal.say(self.plan.note)
            while self.step < self.steps:
                self._epoch(journal)
        return Result(self.steps, self.score, out / BEST)

    def _epoch(self, journal: Journal) -> None:
        protocol, plan = self.plan.protocol, self.plan
        epoch, begun = divmod(self.step, self.per_epoch)
        self.sampler.set_epoch(epoch, begun * self.part * protocol.accumulate)
        parts = batches(self.loader)
        self.learner.train()
        started = perf_counter()
        for _ in range(begun, self.per_epoch):
            losses = self._step(list(islice(parts, protocol.accumulate)))
            now = perf_counter()
            line = {"step": self.step, "epoch": epoch + 1, "split": "train", **losses,
                    "lr": self.optimizer.param_groups[-1]["lr"],
                    "images_per_second": protocol.batch / (now - started)}  # fmt: skip
            started = now
            self.schedule.step()
            journal.write(line)
            journal.show(self.step, line)
            if self.step % plan.checkpoint_steps == 0 and self.step % self.per_epoch:
                self._save()
        self.schedule.epoch(self.epoch_loss / self.per_epoch)
        self.epoch_loss = 0.0
        self._validate(epoch + 1, journal)
        self._save()
        if self.process.first:
            draw_curve(plan.out / "log.csv", plan.out / "curve.png")

    def _step(self, parts: list[Item]) -> dict[str, float]:
        protocol = self.plan.protocol
        # Dropout and the like: by the step alone, so that a resumed run has nothing to remember.
        torch.manual_seed(hash((self.plan.seed, self.step, self.process.rank)))
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        joint = self.step >= protocol.embedding_epochs * self.per_epoch
        for number, part in enumerate(parts, start=1):
            batch = self._to_device(part)
            last = number == len(parts)
            quiet = nullcontext() if last or self.process.world == 1 else self.stepped.no_sync()  # type: ignore[operator]
            with quiet:
                taught = self.plan.target(self.plan.train, batch, masks=joint) if self.plan.target is not None else None
                losses = self.stepped(batch, taught, protocol.decodes and joint)
                total = self.learner.total(losses) / len(parts)
                self.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
            for name, value in {"loss": total * len(parts), **losses}.items():
                sums[name] = sums.get(name, 0) + value.detach().mean() / len(parts)
        means = {name: float(self.process.mean(value)) for name, value in sums.items()}
        if not math.isfinite(means["loss"]):
            raise self._lost(f"the loss is {means['loss']}", self.step + 1)
        if protocol.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.learner.parameters(), protocol.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.mean is not None:
            self.mean.update_parameters(self.learner.model)
        self.step += 1
        self.epoch_loss += means["loss"]
        return means

    def _validate(self, epoch: int, journal: Journal) -> None:
        """Write what the weights reach on the validation split; keep them where they are the best so far."""
        plan, model = self.plan, self._averaged()
        self._check_weights()
        self._write(LAST, model, {})
        if plan.val is None or self.val_loader is None:
            self._write(BEST, model, {})
            return
        self.val_sampler.set_epoch(0)
        learner = Learner(model, plan.protocol) if self.mean is not None else self.learner
        found = validate(
            learner.eval(), batches(self.val_loader), plan.val, plan.target, self.process, masks=plan.scores_masks
        )
        score = (found["dsc"] + found["nsd"]) / 2 if plan.protocol.decodes else -found["loss"]
        journal.write({"step": self.step, "epoch": epoch, "split": "val", **found})
        told = ", ".join(f"{name} {value:.4f}" for name, value in found.items())
        journal.say(f"epoch {epoch}/{plan.protocol.epochs}: validation {told}{' (best)' * (score > self.score)}")
        if score > self.score:
            self.score = score
            self._write(BEST, model, found)

    def _averaged(self) -> Segmenter:
        """The model, or its moving average where there is one."""
        return self.learner.model if self.mean is None else cast(Segmenter, self.mean.module)

    def _write(self, name: str, model: Segmenter, found: dict[str, float]) -> None:
        if self.process.first:
            about = {ABOUT_PRESET: model.preset.name, "step": str(self.step)}
            about |= {f"val_{key}": f"{value:.6g}" for key, value in found.items()}
            save_weights(model, self.plan.out / name, about)

    def _check_weights(self) -> None:
        """A finite loss may leave weights that are not: they are never written over good ones."""
        values = (value for value in self.learner.model.state_dict().values() if value.is_floating_point())
        if not all(bool(value.isfinite().all()) for value in values):
            raise self._lost("a weight is no longer a number", self.step)

    def _lost(self, what: str, step: int) -> TrainingError:
        return TrainingError(
            f"{what} at step {step}: lower --lr, or use --clip 1. What {self.plan.out} holds, "
            f"{CHECKPOINT} and the best weights, is from before"
        )

    def _save(self) -> None:
        self._check_weights()
        if self.process.first:
            state = {name: getattr(self, name).state_dict() for name in self._kept()}
            state |= {name: getattr(self, name) for name in ("step", "epoch_loss", "score")}
            save_checkpoint(self.plan.out / CHECKPOINT, state)
        self.process.wait()

    def _load(self, state: dict[str, Any]) -> None:
        try:
            for name in self._kept():
                getattr(self, name).load_state_dict(state[name])
            self.step, self.epoch_loss, self.score = state["step"], state["epoch_loss"], state["score"]
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise TrainingError(
                f"{self.plan.out / CHECKPOINT} is of another run: {str(error).splitlines()[0]}. "
                "Start again in another folder"
            ) from error

    def _kept(self) -> tuple[str, ...]:
        return ("learner", "optimizer", "schedule", "scaler", *(("mean",) if self.mean is not None else ()))

    def _groups(self) -> list[dict[str, Any]]:
        protocol = self.plan.protocol
        groups = []
        for part in protocol.trained:
            rate = protocol.encoder_lr if part.startswith("image_encoder") and protocol.encoder_lr else protocol.lr
            groups.append({"params": list(self.learner.model.part(part).parameters()), "lr": rate})
        return groups

    def _to_device(self, part: Item) -> Item:
        return Item(*(value.to(self.process.device, non_blocking=True) for value in part))
