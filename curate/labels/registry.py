"""The label encodings. A new one is one module with an `ENCODING`, and one entry here."""

from curate.labels import (
    dicom_seg,
    files,
    grey,
    ids,
    instance_files,
    instances,
    inverted,
    one_hot,
    outline,
    rgb,
    rtstruct,
    threshold,
)
from curate.labels.base import Encoding

ENCODINGS: dict[str, Encoding] = {
    module.ENCODING.name: module.ENCODING
    for module in (
        ids,
        files,
        instances,
        instance_files,
        threshold,
        grey,
        rgb,
        inverted,
        outline,
        one_hot,
        dicom_seg,
        rtstruct,
    )
}
"""Name to encoding, in the order in which documentation lists them."""


def register(encoding: Encoding) -> None:
    """Add an encoding under its name."""
    ENCODINGS[encoding.name] = encoding
