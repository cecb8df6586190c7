"""What the header of a NIfTI or Analyze file says: shape, type, scaling, and the geometry in its two forms.

The fields are read as nibabel and ITK read them where the two agree.
"""

from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from nibabel.analyze import data_type_codes as analyze_types
from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
from nibabel.nifti1 import data_type_codes as nifti_types
from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader
from nibabel.quaternions import fillpositive, quat2mat
from nibabel.spm2analyze import Spm2AnalyzeHeader
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.resample import TOLERANCE
from curate.imaging.volume import Affine, checked_affine, corner_distance
from curate.readers.streams import read_exactly

NOT_UNIT = 1e-5
"""How far the squared length of a quaternion's vector part may exceed 1: it is stored as three rounded float32."""

_MM = {1: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units: metre, mm, micron; anything else counts as mm
_PAIRS = {(348, b"ni1"): Nifti1PairHeader, (540, b"ni2"): Nifti2PairHeader}
_SINGLE = {
    (348, b"n+1"): Nifti1Header,
    (348, b"ni1"): Nifti1Header,  # ni1 in a file that is whole: its name says so
    (540, b"n+2"): Nifti2Header,
    (540, b"ni2"): Nifti2Header,
}


@dataclass(frozen=True)
class Geometry:
    """The affine of a header, the other of its two forms where they differ, and whether it has neither."""

    affine: Affine
    other: Affine | None = None
    unplaced: bool = False


@dataclass(frozen=True)
class NiftiHeader:
    """A parsed header; `fields` is nibabel's, `name` the file's, for messages."""

    fields: Any
    name: str

    @property
    def single(self) -> bool:
        """Whether the voxels follow in the same file."""
        return isinstance(self.fields, (Nifti1Header, Nifti2Header)) and self.fields.is_single

    @property
    def analyze(self) -> bool:
        """Whether this is Analyze 7.5 or SPM, not NIfTI."""
        return isinstance(self.fields, Spm2AnalyzeHeader)

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along i, j, k, ...; raises ValueError where the header gives no valid shape."""
        if not 1 <= int(self.fields["dim"][0]) <= 7:
            raise ValueError(f"the header has {int(self.fields['dim'][0])} dimensions; 1 to 7 are possible")
        shape = tuple(int(n) for n in self.fields.get_data_shape())
        if min(shape) < 1:
            raise ValueError(f"the header has the impossible shape {' x '.join(map(str, shape))}")
        return shape

    @property
    def dtype(self) -> "np.dtype[Any]":
        """The stored type of one sample; raises ValueError for one that is no intensity."""
        stored = self._stored
        if stored.names is not None and set(stored.names) in ({"R", "G", "B"}, {"R", "G", "B", "A"}):
            return np.dtype(np.uint8)
        if stored.kind not in "iuf" or stored.itemsize > 8:
            types = analyze_types if self.analyze else nifti_types
            label = types.label[int(self.fields["datatype"])]
            raise ValueError(f"its voxels are of type {label}; integers, real numbers and RGB can be used")
        return stored

    @property
    def samples(self) -> int:
        """Stored samples a voxel: 1, 3 (RGB) or 4 (RGBA)."""
        return 1 if self._stored.names is None else len(self._stored.names)

    @property
    def offset(self) -> int:
        """Where the voxels begin in their file; in a single file after the header and its four bytes of flags."""
        offset = int(self.fields.get_data_offset())
        least = self.fields.single_vox_offset if self.single else 0
        if offset < 0 or 0 < offset < least:
            raise ValueError(f"the header says that the voxels begin at byte {offset}, inside the header")
        return max(offset, least)

    @property
    def scaling(self) -> tuple[float, float]:
        """Slope and intercept; those that are not set (slope 0 or NaN, intercept NaN) count as 1 and 0."""
        if self.analyze:
            slope, intercept = self.fields.get_slope_inter()
            return (1.0, 0.0) if slope is None else (float(slope), float(intercept or 0.0))
        slope, intercept = float(self.fields["scl_slope"]), float(self.fields["scl_inter"])
        if slope == 0 or not np.isfinite(slope):
            return 1.0, 0.0
        if np.isinf(intercept):
            raise ValueError("the header's intercept (scl_inter) is infinite")
        return slope, 0.0 if np.isnan(intercept) else intercept

    @property
    def _stored(self) -> "np.dtype[Any]":
        try:
            return self.fields.get_data_dtype()
        except KeyError:
            raise ValueError(f"the header's data type {int(self.fields['datatype'])} does not exist") from None


def parse_header(file: IO[bytes], name: str, pair: bool) -> NiftiHeader:
    """Return the header at the beginning of a stream; `pair` tells that the voxels should be in another file.

    Raises ValueError where there is no header.
    """
    first = file.read(4)
    sizes = {int.from_bytes(first, "little"), int.from_bytes(first, "big")}
    for size in (348, 540):
        if len(first) == 4 and size in sizes:
            block = first + read_exactly(file, size - 4)
            magic = block[344:347] if size == 348 else block[4:7]
            kinds = _SINGLE | _PAIRS if pair else _SINGLE
            kind = kinds.get((size, magic), Spm2AnalyzeHeader if pair and size == 348 else None)
            if kind is None:
                raise ValueError(f"the header has no NIfTI signature (its magic is {magic!r})")
            return NiftiHeader(kind(block, check=False), name)
    raise ValueError("it does not begin with a NIfTI header" + (", nor with an Analyze header" if pair else ""))


def geometry_of(header: NiftiHeader) -> Geometry:
    """Return the affine in mm: of the sform, else of the qform; without either only spacing is known.

    An sform that is not invertible (all zero, as some tools leave it) is passed over for a qform, as ITK does.

    Raises CaseError where a voxel has no extent, or no form maps the volume onto space.
    """
    spacing = _spacing(header)
    if header.analyze:
        affine, unplaced = _analyze_affine(header, spacing)
        return Geometry(checked_affine(affine, header.name), unplaced=unplaced)
    codes = [int(header.fields[f"{form}_code"]) for form in ("sform", "qform")]
    sform, qform = (1 <= code <= 5 for code in codes)
    to_mm = np.diag([*[_MM.get(int(header.fields["xyzt_units"]) & 7, 1.0)] * 3, 1.0])
    forms = []
    if sform and (not qform or _is_invertible(header.fields.get_sform())):
        forms.append(to_mm @ header.fields.get_sform())
    if qform:
        forms.append(to_mm @ _qform(header, spacing, required=not forms))
    if not forms:
        return Geometry(checked_affine(to_mm @ _base_affine(header, spacing), header.name), unplaced=True)
    affine = checked_affine(forms[0], header.name)
    other = forms[1] if len(forms) > 1 and _is_invertible(forms[1]) else None
    if other is not None:
        i, j, k = (*header.shape, 1, 1)[:3]
        if corner_distance(np.linalg.inv(affine) @ other, (k, j, i)) <= TOLERANCE:
            other = None
    return Geometry(affine, other)


def _spacing(header: NiftiHeader) -> NDArray[np.float64]:
    """Return the voxel's edge lengths as stored; 1 along an axis of one voxel that has none."""
    spacing = np.abs(np.asarray(header.fields["pixdim"][1:4], np.float64))
    shape = (*header.shape, 1, 1)[:3]
    for axis, (edge, count) in enumerate(zip(spacing, shape, strict=True)):
        if edge == 0 and count > 1:
            raise CaseError(
                Reason.GEOMETRY,
                f"{header.name}: the header's voxel size along {'ijk'[axis]} is 0 (pixdim[{axis + 1}]); correct it",
            )
    return np.where(spacing > 0, spacing, 1.0)


def _qform(header: NiftiHeader, spacing: NDArray[np.float64], required: bool) -> Affine:
    """Return the qform's affine; where it is only the second form, a broken one is all zero."""
    vector = np.array([header.fields[f"quatern_{axis}"] for axis in "bcd"], np.float64)
    square = float(vector @ vector)
    if not square <= 1 + NOT_UNIT:
        if required:
            raise CaseError(
                Reason.GEOMETRY,
                f"{header.name}: the header's quaternion {vector.tolist()} is no rotation; correct the qform, or set "
                "an sform",
            )
        return np.zeros((4, 4))
    if square > 1:
        vector /= np.sqrt(square)
    qfac = -1.0 if float(header.fields["pixdim"][0]) == -1 else 1.0
    affine = np.eye(4)
    rotation = quat2mat(fillpositive(vector, Nifti1Header.quaternion_threshold))
    affine[:3, :3] = rotation @ np.diag(spacing * [1.0, 1.0, qfac])
    affine[:3, 3] = [header.fields[f"qoffset_{axis}"] for axis in "xyz"]
    return affine


def _base_affine(header: NiftiHeader, spacing: NDArray[np.float64]) -> Affine:
    """Return nibabel's convention for a header that gives spacing only: x to the left, the centre at the origin."""
    affine = np.diag([*spacing * [-1.0, 1.0, 1.0], 1.0])
    centre = (np.array((*header.shape, 1, 1)[:3]) - 1) / 2
    affine[:3, 3] = -affine[:3, :3] @ centre
    return affine


def _analyze_affine(header: NiftiHeader, spacing: NDArray[np.float64]) -> tuple[Affine, bool]:
    """Return the affine of an Analyze header, and whether SPM's origin is not set, so that it is only a convention."""
    origin = np.asarray(header.fields["origin"][:3], np.int64)
    shape = np.array((*header.shape, 1, 1)[:3])
    if not (origin.any() and (origin > -shape).all() and (origin < 2 * shape).all()):
        return _base_affine(header, spacing), True
    affine = np.diag([*spacing * [-1.0, 1.0, 1.0], 1.0])
    affine[:3, 3] = -affine[:3, :3] @ (origin - 1)
    return affine, False


def _is_invertible(affine: Affine) -> bool:
    try:
        checked_affine(affine)
    except CaseError:
        return False
    return True
