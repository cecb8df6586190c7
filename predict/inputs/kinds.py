"""Which files are cases, by their suffix."""

from pathlib import Path

CHALLENGE = (".npz",)
LABEL_PICTURES = (".png", ".tif", ".tiff", ".bmp")
"""Pictures that keep every pixel as it is, and so can hold labels."""
PICTURES = (*LABEL_PICTURES, ".jpg", ".jpeg", ".webp", ".jp2")
NIFTI = (".nii.gz", ".nii")
NRRD = (".nrrd", ".nhdr")
META_IMAGE = (".mha", ".mhd")
SCANS = (*NIFTI, *NRRD, *META_IMAGE)
KINDS = (*CHALLENGE, *PICTURES, *SCANS)
DICOM = (".dcm", ".dicom", ".ima")


def is_of(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Return whether the name of a file ends in one of the suffixes."""
    return path.name.lower().endswith(suffixes)


def stem_of(name: str) -> str:
    """Return a name without the suffix of its kind: `p/a.b` of `p/a.b.nii.gz`."""
    suffix = next((suffix for suffix in KINDS if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def is_dicom(path: Path) -> bool:
    """Return whether a file is DICOM: by its suffix, or by the letters DICM after 128 bytes (DICOM PS3.10, 7.1)."""
    if is_of(path, DICOM):
        return True
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
