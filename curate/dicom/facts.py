"""What is known of a stack of images: the facts that rules are about, and the fields that templates use."""

from collections.abc import Mapping

import numpy as np

from curate.dicom.grid import Grid
from curate.dicom.instance import Instance
from curate.dicom.pseudonyms import Pseudonyms
from curate.dicom.rules import Facts
from curate.dicom.stacks import Series, Stack

_PLANES = ("sagittal", "coronal", "axial")


def facts_of(stack: Stack) -> Facts:
    """Return what rules may ask of a stack, by the key of the rule."""
    first, frame = stack.first, stack.images[0].frame
    return {
        **tags_of(first),
        "orientation": None if stack.grid is None else plane_of(stack.grid),
        "slices": len(stack.images),
        "step": step_of(stack),
        "echo": frame.echo,
        "b_value": frame.b_value,
        "time": frame.time,
        "part": stack.part,
    }


def tags_of(first: Instance) -> Facts:
    """Return what rules may ask of a single file."""
    return {
        "modality": first.modality,
        "description": first.description,
        "study_description": first.study_description,
        "protocol": first.protocol,
        "body_part": first.body_part,
        "image_type": first.image_type,
        "sequence_name": first.sequence_name,
        "contrast": first.contrast,
        "kernel": first.kernel,
        "manufacturer": first.manufacturer,
        "model": first.model,
        "view": first.view,
        "laterality": first.laterality,
        "patient_id": first.patient_id,
        "number": first.number,
        "rows": first.rows,
        "columns": first.columns,
        "thickness": first.thickness,
        "repetition_time": first.repetition_time,
        "field_strength": first.field_strength,
    }


def fields_of(stack: Stack, pseudonyms: Pseudonyms) -> Mapping[str, str]:
    """Return the fields of a stack's tags; ids are pseudonyms, but for those whose name says `as they are`."""
    first, frame = stack.first, stack.images[0].frame
    return {
        "patient": patient_of(stack.series, pseudonyms),
        "study": pseudonyms.of("study", first.study_uid or _key(stack.series)),
        "series": series_of(stack.series, pseudonyms),
        "part": str(stack.part),
        "number": _written(first.number),
        "description": first.description,
        "modality": first.modality,
        "body_part": first.body_part,
        "view": first.view,
        "laterality": first.laterality,
        "echo": _written(frame.echo),
        "b_value": _written(frame.b_value),
        "time": _written(frame.time),
        "patient_id": first.patient_id,
        "study_uid": first.study_uid,
        "series_uid": first.series_uid,
    }


def patient_of(series: Series, pseudonyms: Pseudonyms) -> str:
    """Return the pseudonym of a series' patient; where the files have no id, the study stands for the patient."""
    first = series.first
    return pseudonyms.of("patient", first.patient_id or first.study_uid or _key(series))


def series_of(series: Series, pseudonyms: Pseudonyms) -> str:
    """Return the pseudonym of a series."""
    return pseudonyms.of("series", _key(series))


def step_of(stack: Stack) -> float | None:
    """Return the mean distance of the slices in mm, None where there is one slice."""
    if stack.grid is None or len(stack.images) < 2:
        return None
    return float(np.linalg.norm(stack.grid.affine[:3, 2]))


def plane_of(grid: Grid) -> str:
    """Return the plane that slices are nearest to: sagittal, coronal or axial."""
    normal = np.cross(grid.affine[:3, 0], grid.affine[:3, 1])
    return _PLANES[int(np.abs(normal).argmax())]


def _key(series: Series) -> str:
    return "\0".join(series.key)


def _written(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def stack_name(stack: Stack, pseudonyms: Pseudonyms) -> str:
    """Return what a stack is called in messages and in the corpus."""
    return f"series/{series_of(stack.series, pseudonyms)}" + (f"_{stack.part}" if stack.parts > 1 else "")
