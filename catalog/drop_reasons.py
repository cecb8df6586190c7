"""The reasons for which masks, slices and cases are dropped."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a mask, a slice or a case is not in the corpus."""

    # masks
    SMALL = "small"  # fewer pixels than min_area asks for at 256 x 256
    WHOLE_SLICE = "whole_slice"  # every pixel is foreground
    VANISHES = "vanishes"  # nothing is left after the nearest-neighbour resize to 256 x 256
    # slices
    ASPECT = "aspect"  # short edge under half the long edge
    NO_MASK = "no_mask"  # no mask was kept, so neither is the image
    # cases
    EXCLUDED = "excluded"  # the recipe names it as bad
    NO_LABEL = "no_label"  # no label file where the recipe looks for it
    UNREADABLE = "unreadable"  # a file is corrupt, truncated, or not what its name says
    GEOMETRY = "geometry"  # image and label do not cover the same space
    NOT_FINITE = "not_finite"  # NaN or infinite intensities
    CONSTANT = "constant"  # one intensity only: no window can be drawn from it
    LABELS = "labels"  # label values that the recipe does not list, or not integers
    MEMORY = "memory"  # larger than the memory limit
    WORKER_DIED = "worker_died"  # the process that worked on it was killed
    UNEXPECTED = "unexpected"  # an error that medcorpus does not know; its traceback is in a log
