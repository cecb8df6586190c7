"""Which files are cases, by their suffix, and what a case is called."""

from pathlib import Path

CHALLENGE = (".npz",)
LABEL_PICTURES = (".png", ".tif", ".tiff", ".bmp")
"""Of a picture's labels: those that keep every pixel as it is."""
PICTURES = (*LABEL_PICTURES, ".jpg", ".jpeg")
SCANS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
KINDS = (*CHALLENGE, *PICTURES, *SCANS)


def is_of(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Tell whether a file's name ends so."""
    return path.name.lower().endswith(suffixes)


def stem_of(path: Path) -> str:
    """Return a file's name without the suffix of its kind: `a.b` of `a.b.nii.gz`."""
    suffix = next((one for one in KINDS if path.name.lower().endswith(one)), "")
    return path.name[: len(path.name) - len(suffix)]
