"""DICOM SEG to layers: NRRD and highdicom's own reader as references, and every way of writing one."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from curate.discovery.cases import Found, find_cases
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.labels.base import Decoded, LabelFile
from curate.labels.registry import ENCODINGS
from curate.readers import read
from curate.recipe.load import parse_recipe
from tests.curate.dicom.make import image, noise, save, save_series

RECIPE = """
name: Segments
license: {name: CC0-1.0}
modality: CT
anatomy: [abdomen]
window: abdomen
encoding: dicom_seg
"""
SHAPE = (5, 32, 40)


@pytest.fixture(autouse=True)
def _highdicom_remarks() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def find(folder: Path, labels: str = '"*"', extra: str = "") -> Found:
    """The cases of a folder with these labels."""
    text = f"{RECIPE}cases: {{series: {{modality: CT}}}}\nlabels: {labels}\n{extra}"
    return find_cases(parse_recipe(text, Path("segments.yaml")), folder)


def decode(found: Found, case: int = 0) -> tuple[Volume, Decoded]:
    """The image and the decoded labels of a case."""
    one = found.cases[case]
    volume = read(one.image)
    files = [LabelFile(word, source) for word, source in one.labels]
    return volume, ENCODINGS["dicom_seg"].decode(found.recipe.groups[0], files, volume)


def mask_of(decoded: Decoded, number: int = 1) -> NDArray[np.bool_]:
    """Where a label is, in any layer."""
    return np.any([(layer.classes == number)[layer.voxels] for layer in decoded.layers], axis=0)


def _described(number: int, name: str) -> hd.seg.SegmentDescription:
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=codes.SCT.Organ,
        segmented_property_type=codes.SCT.Liver if number == 1 else codes.SCT.Spleen,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )


def segmentation(
    images: list[Dataset],
    pixels: NDArray[Any],
    kind: str = "BINARY",
    names: tuple[str, ...] = ("liver", "spleen"),
    **options: Any,
) -> Dataset:
    """A SEG that highdicom makes of (slices, rows, columns[, segments])."""
    for one in images:
        for keyword in ("PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber"):
            if keyword not in one:
                setattr(one, keyword, "")
        one.Manufacturer, one.SliceThickness = "none", 1.0
    return hd.seg.Segmentation(
        source_images=images,
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=[_described(n, name) for n, name in enumerate(names, 1)],
        series_instance_uid=hd.UID(),
        series_number=9,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="none",
        manufacturer_model_name="none",
        software_versions="1",
        device_serial_number="1",
        **options,
    )


def _masks() -> NDArray[np.bool_]:
    """Two segments (slices, rows, columns, segments) that overlap on slice 2; slice 0 has none, slice 4 only one."""
    masks = np.zeros((*SHAPE, 2), np.bool_)
    masks[1:3, 3:9, 4:12, 0] = True
    masks[2:5, 7:13, 9:17, 1] = True
    return masks


def _apart() -> NDArray[np.bool_]:
    masks = _masks()
    masks[..., 1] &= ~masks[..., 0]
    return masks


def _save_images(folder: Path, step: float = 2.0, **tags: Any) -> list[Dataset]:
    return save_series(folder / "image", noise(SHAPE), [step * n for n in range(SHAPE[0])], **tags)


@pytest.mark.parametrize("name", ["liver", "partial_overlaps"])
def test_dcmqi_equals_its_nrrd(name: str, shared_data: Path) -> None:
    folder = shared_data / "dcmqi/data/segmentations"
    if not (folder / f"{name}.dcm").is_file():
        pytest.skip(f"the real data has no {name}.dcm")
    _, decoded = decode(find(folder))
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "liver_seg.nrrd"))) > 0
    assert expected.sum() == 107_098
    assert np.array_equal(mask_of(decoded), expected)


@pytest.mark.parametrize(
    "name",
    ["liver", "liver_deflate", "liver_expb", "liver_j2k", "liver_rle"],
)
def test_the_liver_of_dcmqi_in_five_syntaxes(name: str, shared_data: Path, oracles: Path, tmp_path: Path) -> None:
    for path in (shared_data / "dcmqi/data/segmentations/ct-3slice").iterdir():
        shutil.copy(path, tmp_path)
    shutil.copy(oracles / f"pydicom_data/data_store/data/{name}.dcm", tmp_path / "seg.dcm")
    _, decoded = decode(find(tmp_path))
    expected = sitk.ReadImage(str(shared_data / "dcmqi/data/segmentations/liver_seg.nrrd"))
    assert np.array_equal(mask_of(decoded), sitk.GetArrayFromImage(expected) > 0)


@pytest.mark.parametrize("name", ["", "_deflate", "_j2k", "_rle"])
def test_a_liver_whose_frames_end_within_a_byte(name: str, shared_data: Path, oracles: Path, tmp_path: Path) -> None:
    """510 x 510 pixels of the same grid: the frames are not those of the image, which has 512 x 512."""
    for path in (shared_data / "dcmqi/data/segmentations/ct-3slice").iterdir():
        shutil.copy(path, tmp_path)
    shutil.copy(oracles / f"pydicom_data/data_store/data/liver_nonbyte_aligned{name}.dcm", tmp_path / "seg.dcm")
    _, decoded = decode(find(tmp_path))
    assert decoded.resampled
    assert mask_of(decoded).sum() == 107_098


@pytest.mark.parametrize("name", ["seg_image_ct_binary", "seg_image_ct_binary_single_frame"])
def test_highdicoms_files_equal_its_own_reader(name: str, shared_data: Path, tmp_path: Path) -> None:
    files = shared_data / "highdicom/data/test_files"
    seg = hd.seg.segread(str(files / f"{name}.dcm"))
    save(_referred(seg), tmp_path / "image.dcm")
    shutil.copy(files / f"{name}.dcm", tmp_path)
    for index, image_ in enumerate(_more_referred(seg)):
        save(image_, tmp_path / f"more{index}.dcm")
    volume, decoded = decode(find(tmp_path))
    theirs = seg.get_volume(combine_segments=True)
    if volume.shape[0] > 1:  # of a single slice, the distance to the next is anybody's guess
        theirs = theirs.match_geometry(hd.Volume(volume.voxels, _to_lps(volume), coordinate_system="PATIENT"))
    assert np.array_equal(mask_of(decoded), theirs.array > 0)
    assert mask_of(decoded).any()


def _to_lps(volume: Volume) -> NDArray[np.float64]:
    """The affine of [k, j, i] in LPS."""
    assert volume.affine is not None
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    return lps[:, [2, 1, 0, 3]]


def _referred(seg: Any) -> Dataset:
    return _images_of(seg)[0]


def _more_referred(seg: Any) -> list[Dataset]:
    return _images_of(seg)[1:]


def _images_of(seg: Any) -> list[Dataset]:
    """Images of noise at the places that a SEG refers to."""
    places = {}
    for groups in seg.PerFrameFunctionalGroupsSequence:
        source = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        places[tuple(groups.PlanePositionSequence[0].ImagePositionPatient)] = source
    shared = seg.SharedFunctionalGroupsSequence[0]
    made = []
    for position, uid in places.items():
        one = image(noise((seg.Rows, seg.Columns)), position, SOPInstanceUID=uid)
        one.ImageOrientationPatient = shared.PlaneOrientationSequence[0].ImageOrientationPatient
        one.PixelSpacing = shared.PixelMeasuresSequence[0].PixelSpacing
        one.FrameOfReferenceUID = seg.FrameOfReferenceUID
        made.append(one)
    return made


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize("omit", [True, False])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
def test_every_type_with_and_without_empty_frames(kind: str, omit: bool, syntax: Any, tmp_path: Path) -> None:
    if kind == "BINARY" and syntax != ExplicitVRLittleEndian:
        pytest.skip("highdicom does not compress frames of bits")
    images = _save_images(tmp_path)
    masks = _apart() if kind == "LABELMAP" else _masks()
    pixels = masks.astype(np.float32) if kind == "FRACTIONAL" else masks.astype(np.uint8)
    options = {"omit_empty_frames": omit, "transfer_syntax_uid": syntax}
    save(segmentation(images, pixels, kind, **options), tmp_path / "seg.dcm")
    _, decoded = decode(find(tmp_path))
    assert np.array_equal(mask_of(decoded, 1), masks[..., 0])
    assert np.array_equal(mask_of(decoded, 2), masks[..., 1])
    assert not decoded.resampled
    assert decoded.notes == ()


def test_segments_that_overlap_keep_what_they_share(tmp_path: Path) -> None:
    images = _save_images(tmp_path)
    save(segmentation(images, _masks().astype(np.uint8)), tmp_path / "seg.dcm")
    _, decoded = decode(find(tmp_path))
    assert len(decoded.layers) == 2
    assert (mask_of(decoded, 1) & mask_of(decoded, 2)).sum() == 2 * 3


def test_the_threshold_of_a_fractional_segmentation(tmp_path: Path) -> None:
    images = _save_images(tmp_path)
    shares = np.zeros((*SHAPE, 2), np.float32)
    shares[2, 3, :5, 0] = 0.2, 0.4, 0.5, 0.6, 1.0
    shares[1, 0, 0, 1] = 1.0
    seg = segmentation(images, shares, "FRACTIONAL", fractional_type="PROBABILITY", max_fractional_value=200)
    save(seg, tmp_path / "seg.dcm")
    for extra, expected in (("", 3), ("threshold: 0.55\n", 2), ("threshold: 0.1\n", 5)):
        _, decoded = decode(find(tmp_path, extra=extra))
        assert mask_of(decoded, 1).sum() == expected


@pytest.mark.parametrize(
    ("labels", "counts", "unnamed"),
    [
        ("{a: 1, b: 2}", (96, 144), {}),
        ("{a: liver}", (96, 0), {"spleen": 1}),
        ("{a: '(?i)LIV.*', b: 'SCT:78961009'}", (96, 144), {}),
        ("{a: [1, 2]}", (234, 0), {}),
        ("{a: ['liver', 'spleen'], b: 2}", (234, 144), {}),
        ("{a: kidney}", (0, 0), {"liver": 1, "spleen": 1}),
    ],
)
def test_labels_by_number_name_and_code(
    labels: str, counts: tuple[int, int], unnamed: dict[str, int], tmp_path: Path
) -> None:
    images = _save_images(tmp_path)
    save(segmentation(images, _masks().astype(np.uint8)), tmp_path / "seg.dcm")
    found = find(tmp_path, labels)
    assert found.unnamed == unnamed
    _, decoded = decode(found)
    assert tuple(mask_of(decoded, n).sum() for n in (1, 2)) == counts


def test_frames_in_any_order(tmp_path: Path) -> None:
    """Frames run backwards, and those of the two segments alternate."""
    images = _save_images(tmp_path)
    seg = segmentation(images, _masks().astype(np.uint8))
    groups = seg.PerFrameFunctionalGroupsSequence
    bits = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
    frames = bits[: len(groups) * 1280].reshape(len(groups), 1280)
    order = np.random.default_rng(0).permutation(len(groups))
    seg.PerFrameFunctionalGroupsSequence = pydicom.sequence.Sequence(groups[n] for n in order)
    seg.PixelData = np.packbits(frames[order].ravel(), bitorder="little").tobytes()
    save(seg, tmp_path / "seg.dcm")
    _, decoded = decode(find(tmp_path))
    assert np.array_equal(mask_of(decoded, 1), _masks()[..., 0])
    assert np.array_equal(mask_of(decoded, 2), _masks()[..., 1])


def test_a_segment_without_a_frame(tmp_path: Path) -> None:
    images = _save_images(tmp_path)
    masks = _masks()
    masks[..., 1] = False
    save(segmentation(images, masks.astype(np.uint8)), tmp_path / "seg.dcm")
    _, decoded = decode(find(tmp_path))
    assert np.array_equal(mask_of(decoded, 1), masks[..., 0])
    assert not mask_of(decoded, 2).any()


def test_the_number_of_the_segment_among_the_shared_groups(tmp_path: Path) -> None:
    images = _save_images(tmp_path)
    seg = segmentation(images, _masks()[..., :1].astype(np.uint8), names=("liver",))
    assert "SegmentIdentificationSequence" in seg.SharedFunctionalGroupsSequence[0]
    assert "SegmentIdentificationSequence" not in seg.PerFrameFunctionalGroupsSequence[0]
    save(seg, tmp_path / "seg.dcm")
    _, decoded = decode(find(tmp_path))
    assert np.array_equal(mask_of(decoded, 1), _masks()[..., 0])


def test_another_grid_than_the_image(tmp_path: Path) -> None:
    """A SEG of a coarser series in the same space is sampled at the voxels of the image."""
    _save_images(tmp_path, step=1.0)
    coarse = save_series(
        tmp_path / "coarse",
        noise((3, 16, 20)),
        [0, 2, 4],
        SeriesInstanceUID="1.2.77",
        Modality="MR",
        PixelSpacing=[2, 2],
    )
    masks = np.zeros((3, 16, 20, 1), np.uint8)
    masks[1, 2:5, 3:7] = 1
    seg = segmentation(coarse, masks, names=("liver",))
    del seg.ReferencedSeriesSequence
    for groups in seg.PerFrameFunctionalGroupsSequence:
        del groups.DerivationImageSequence
    save(seg, tmp_path / "seg.dcm")
    _, decoded = decode(find(tmp_path))
    mask = mask_of(decoded)
    assert decoded.resampled
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == [1, 2]  # nearest: half a slice to each side
    assert mask[2].sum() == 6 * 8
    assert decoded.kept_mm3 == pytest.approx(96)
    assert decoded.lost_mm3 == 0


def test_a_segmentation_of_another_space_is_refused(tmp_path: Path) -> None:
    _save_images(tmp_path)
    other = save_series(tmp_path / "x", noise(SHAPE), FrameOfReferenceUID="1.2.99", SeriesInstanceUID="1.2.98")
    save(segmentation(other, _masks().astype(np.uint8)), tmp_path / "seg.dcm")
    shutil.rmtree(tmp_path / "x")
    found = find(tmp_path)
    assert found.cases[0].labels == ()
    assert "1 DICOM SEG objects belong to no image here" in found.warnings[0]


def test_references_win_over_the_frame_of_reference(tmp_path: Path) -> None:
    """PET and CT share a space; the SEG was drawn on the PET."""
    _save_images(tmp_path)
    pet = save_series(tmp_path / "pet", noise(SHAPE), SeriesInstanceUID="1.2.55", Modality="PT")
    save(segmentation(pet, _masks().astype(np.uint8)), tmp_path / "seg.dcm")
    assert find(tmp_path).cases[0].labels == ()
    shutil.rmtree(tmp_path / "pet")
    found = find(tmp_path)
    assert len(found.cases[0].labels) == 1
    _, decoded = decode(found)
    assert "none of the 5 images it refers to is here; matched by frame of reference alone (SEG)" in decoded.notes


def test_a_segmentation_of_a_single_image_without_a_space(tmp_path: Path) -> None:
    one = image(noise((32, 40)), None, Modality="CT")
    del one.FrameOfReferenceUID
    save(one, tmp_path / "image.dcm")
    seg = segmentation(_save_images(tmp_path / "other"), _masks().astype(np.uint8))
    shutil.rmtree(tmp_path / "other")
    del seg.FrameOfReferenceUID
    seg.ReferencedSeriesSequence[0].SeriesInstanceUID = one.SeriesInstanceUID
    del seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    for groups in seg.PerFrameFunctionalGroupsSequence:
        del groups.DerivationImageSequence
        del groups.PlanePositionSequence
    save(seg, tmp_path / "seg.dcm")
    _, decoded = decode(find(tmp_path))
    assert np.array_equal(mask_of(decoded, 1)[0], _masks()[..., 0].any(axis=0))


def test_several_segmentations_of_one_image(tmp_path: Path) -> None:
    images = _save_images(tmp_path)
    for number, name in enumerate(("liver", "spleen")):
        pixels = _masks()[..., number : number + 1].astype(np.uint8)
        save(segmentation(images, pixels, names=(name,)), tmp_path / f"{name}.dcm")
    _, decoded = decode(find(tmp_path))
    assert np.array_equal(mask_of(decoded, 1), _masks()[..., 0])
    assert np.array_equal(mask_of(decoded, 2), _masks()[..., 1])


def test_frames_beyond_the_image_are_left_out(tmp_path: Path) -> None:
    images = _save_images(tmp_path)
    save(segmentation(images, _masks().astype(np.uint8)), tmp_path / "seg.dcm")
    for path in ("000.dcm", "001.dcm", "004.dcm"):
        (tmp_path / "image" / path).unlink()
    _, decoded = decode(find(tmp_path))
    assert np.array_equal(mask_of(decoded, 1), _masks()[2:4, ..., 0])
    assert decoded.notes[0] == "3 of the 5 images it refers to are not here (SEG)"


def test_a_segmentation_that_breaks_off(tmp_path: Path) -> None:
    images = _save_images(tmp_path)
    path = save(segmentation(images, _masks().astype(np.uint8)), tmp_path / "seg.dcm")
    found = find(tmp_path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CaseError, match="cannot be read: its pixels break off"):
        decode(found)


def test_a_segmentation_at_a_path(shared_data: Path, tmp_path: Path) -> None:
    """A NIfTI image with a SEG beside it: placed by position alone."""
    folder = shared_data / "dcmqi/data/segmentations"
    images = sorted(str(path) for path in (folder / "ct-3slice").iterdir())
    ct = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder / "ct-3slice")) or images)
    sitk.WriteImage(ct, str(tmp_path / "a.nii.gz"))
    shutil.copy(folder / "liver.dcm", tmp_path / "a_seg.dcm")
    text = f'{RECIPE}cases: {{image: "{{case}}.nii.gz", label: "{{case}}_seg.dcm"}}\nlabels: {{liver: Liver}}\n'
    found = find_cases(parse_recipe(text, Path("segments.yaml")), tmp_path)
    _, decoded = decode(found)
    assert mask_of(decoded).sum() == 107_098
