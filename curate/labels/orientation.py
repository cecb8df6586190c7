"""Masks of pictures with an EXIF orientation: the image is turned upright, the mask may have been drawn either way."""

from dataclasses import replace

from curate.imaging.orientation import UPRIGHT, as_stored, upright
from curate.imaging.volume import Volume


def turned_like(label: Volume, image: Volume, name: str) -> tuple[Volume, str]:
    """Return a mask turned so that its shape fits its upright image, and what a user should look at.

    A mask without an orientation of its own was drawn on the upright image, or on the pixels as stored: where only one
    of the two fits, that one is taken. Where both fit, the mask is taken as it is shown, and a note says so.
    """
    if label.orientation == image.orientation:
        return label, ""
    stored = as_stored(label.voxels, label.orientation)
    other = stored if image.orientation == UPRIGHT else upright(stored, image.orientation)
    fits = [voxels.shape[:3] == image.shape for voxels in (label.voxels, other)]
    if fits == [False, True]:
        return replace(label, voxels=other, orientation=image.orientation), ""
    if fits == [True, True]:
        return label, (
            f"the EXIF orientations of the image ({image.orientation}) and of {name} ({label.orientation}) differ, and "
            "the mask fits both ways: it is taken as a viewer shows it; check that it covers its object"
        )
    return label, ""
