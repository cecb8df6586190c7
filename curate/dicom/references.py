"""Which images a label belongs to: those it refers to, else those in its frame of reference, else none."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from curate.dicom.instance import Instance
from curate.dicom.stacks import Stack


@dataclass(frozen=True)
class Match:
    """The stacks a label belongs to, and how that is known: `images`, `series`, `space`, or `` for none.

    `missing` counts the images it refers to that are not in the folder, of `referred`.
    """

    stacks: tuple[Stack, ...] = ()
    by: str = ""
    missing: int = 0
    referred: int = 0

    @property
    def note(self) -> str:
        """What a user should know, empty where all is well."""
        if self.by == "space" and self.referred:
            return f"none of the {self.referred} images it refers to is here; matched by frame of reference alone"
        if self.missing:
            return f"{self.missing} of the {self.referred} images it refers to are not here"
        return ""


class References:
    """Looks up the stacks of a folder by what labels say of them."""

    def __init__(self, stacks: Iterable[Stack]) -> None:
        self._by_image: dict[str, list[Stack]] = defaultdict(list)
        self._by_series: dict[str, list[Stack]] = defaultdict(list)
        self._by_space: dict[str, list[Stack]] = defaultdict(list)
        self._images: set[str] = set()
        for stack in stacks:
            for uid in dict.fromkeys(image.instance.sop_uid for image in stack.images):
                self._by_image[uid].append(stack)
            self._by_series[stack.first.series_uid].append(stack)
            for uid in stack.first.frames_of_reference if stack.grid is not None else ():
                self._by_space[uid].append(stack)
            self._images.update(instance.sop_uid for instance in stack.series.instances)

    def of(self, label: Instance) -> Match:
        """Return the stacks a segmentation or a structure set belongs to."""
        referred = label.refers_images
        missing = sum(uid not in self._images for uid in referred)
        found = _unique(stack for uid in referred for stack in self._by_image.get(uid, ()))
        if found:
            return Match(found, "images", missing, len(referred))
        found = _unique(stack for uid in label.refers_series for stack in self._by_series.get(uid, ()))
        if found and not referred:
            return Match(found, "series")
        found = _unique(stack for uid in label.frames_of_reference for stack in self._by_space.get(uid, ()))
        return Match(found, "space" if found else "", missing, len(referred))


def _unique(stacks: Iterable[Stack]) -> tuple[Stack, ...]:
    return tuple({id(stack): stack for stack in stacks}.values())
