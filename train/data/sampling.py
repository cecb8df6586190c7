"""Which masks an epoch shows: one of each image, or balanced over any columns of the catalog."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from catalog.errors import DataError
from catalog.samples import Samples


class Draw(NamedTuple):
    """A mask to show, by its row, and the seed of what is done to it at random."""

    row: int
    seed: tuple[int, ...]


def weights(samples: Samples, by: Sequence[str] = (), temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the probability of each mask in the order of `samples.grouped`; they sum to 1.

    Each image weighs the same and shares its weight among its masks. With `by`, a group g of the combinations of
    these columns that would come up with probability p comes up in proportion to p^(1 / temperature): at 1 as
    often as it occurs, at infinity as often as any other (Arivazhagan et al., https://arxiv.org/abs/1907.05019).

    Raises DataError for a temperature below 1, or a column that is not loaded.
    """
    if not temperature >= 1:
        raise DataError(f"a sampling temperature of {temperature}: 1 is as the corpus is, larger is more balanced")
    counts = np.diff(samples.starts)
    natural = np.repeat(1 / (samples.images * counts), counts)
    if not by or temperature == 1:
        return natural
    group, groups = samples.groups(by)
    group = group[samples.grouped]
    share = np.bincount(group, natural, minlength=groups)
    flattened = share ** (1 / temperature)
    return natural * (flattened / flattened.sum() / share)[group]


class EpochSampler(Sampler[Draw]):
    """Yields the draws of one epoch in random order: as many as there are images, the same for the same seed.

    Draws are stratified: without balancing each image comes exactly once an epoch, with one of its masks at
    random. Several processes (`rank` of `world`) take turns in one common order; it is cut so that all get
    equally many. A draw carries its own seed, so what follows does not depend on workers.
    """

    def __init__(
        self,
        samples: Samples,
        seed: int = 0,
        *,
        by: Sequence[str] = (),
        temperature: float = 1.0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if samples.images < world:
            raise DataError(f"{samples.images} images for {world} processes: each needs at least one")
        self._grouped = samples.grouped
        self._images = samples.images
        self._until = np.cumsum(weights(samples, by, temperature))
        self._seed, self._rank, self._world = seed, rank, world
        self.epoch = 0
        self.start = 0

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch to draw, and how many of this process's draws to pass over, to resume within one."""
        self.epoch, self.start = epoch, start

    def __len__(self) -> int:
        return max(0, self._images // self._world - self.start)

    def __iter__(self) -> Iterator[Draw]:
        rng = np.random.default_rng((self._seed, self.epoch))
        position = (np.arange(self._images) + rng.random(self._images)) / self._images * self._until[-1]
        drawn = self._grouped[np.searchsorted(self._until[:-1], position, side="right")]
        drawn = rng.permutation(drawn)
        end = self._images // self._world * self._world
        mine = range(self._rank, end, self._world)[self.start :]
        for place in mine:
            yield Draw(int(drawn[place]), (self._seed, self.epoch, place))
