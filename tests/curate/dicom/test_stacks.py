"""Series to stacks: what belongs together, in which order, and on which grid."""

from pathlib import Path

import numpy as np
import pytest

from curate.dicom.stacks import Stack
from tests.curate.dicom.make import image, noise, save, save_series, stacks_in


def _numbers(stack: Stack) -> list[int | None]:
    return [one.instance.instance_number for one in stack.images]


def _spacing(stack: Stack) -> list[float]:
    assert stack.grid is not None
    return np.linalg.norm(stack.grid.affine[:3, :3], axis=0).tolist()


def test_slices_are_ordered_by_position_not_by_number_or_name(tmp_path: Path) -> None:
    places = [7.5, 0.0, 5.0, 2.5]
    save_series(tmp_path, noise((4, 8, 8)), places, SliceThickness=9)
    (stack,) = stacks_in(tmp_path)
    assert _numbers(stack) == [2, 4, 3, 1]
    assert _spacing(stack) == [1.0, 1.0, 2.5]  # the distance of positions, not the thickness of a slice
    assert stack.grid is not None
    assert stack.grid.trouble == ""


@pytest.mark.parametrize("numbers", [[1, 1, 1, 1], [4, 3, 2, 1], [None] * 4], ids=["repeated", "backwards", "absent"])
def test_instance_numbers_that_say_nothing(numbers: list[int | None], tmp_path: Path) -> None:
    for place, number in enumerate(numbers):
        tags = {} if number is None else {"InstanceNumber": number}
        save(image(noise((8, 8)), (0, 0, float(place)), **tags), tmp_path / f"{9 - place}")
    (stack,) = stacks_in(tmp_path)
    assert [one.frame.position[2] for one in stack.images if one.frame.position] == [0, 1, 2, 3]


def test_oblique_slices_are_ordered_along_their_normal(tmp_path: Path) -> None:
    row, column = np.array([0.8, 0.6, 0.0]), np.array([0.0, 0.0, -1.0])
    normal = np.cross(row, column)
    for number, place in enumerate([3.0, 1.0, 2.0, 0.0], 1):
        one = image(noise((8, 8)), (normal * place * 3).round(6).tolist(), InstanceNumber=number)
        one.ImageOrientationPatient = [*row, *column]
        save(one, tmp_path / str(number))
    (stack,) = stacks_in(tmp_path)
    assert _numbers(stack) == [4, 2, 3, 1]
    assert stack.grid is not None
    assert np.allclose(stack.grid.affine[:3, 2], normal * 3 * [-1, -1, 1], atol=1e-5)  # RAS+


def test_byte_identical_copies_are_left_out_and_counted(tmp_path: Path) -> None:
    for one in save_series(tmp_path, noise((3, 8, 8))):
        save(one, tmp_path / "again" / f"x({one.InstanceNumber}).dcm")
    (stack,) = stacks_in(tmp_path)
    assert len(stack.images) == 3
    assert stack.duplicates == 3


def test_another_image_at_one_position_is_left_out_and_counted(tmp_path: Path) -> None:
    save_series(tmp_path, noise((3, 8, 8)), [0, 1, 1])
    (stack,) = stacks_in(tmp_path)
    assert _numbers(stack) == [1, 2]
    assert stack.duplicates == 1


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("EchoNumbers", (1, 2)),
        ("EchoTime", (4.6, 9.2)),
        ("TemporalPositionIdentifier", (1, 2)),
        ("DiffusionBValue", (0.0, 1000.0)),
        ("AcquisitionNumber", (1, 2)),
        ("TriggerTime", (0.0, 40.0)),
        ("ImageType", (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"])),
        ("AcquisitionTime", ("120000", "120100")),
        ("Rows", None),
    ],
)
def test_a_series_is_split_where_its_images_differ(keyword: str, values: tuple[object, object], tmp_path: Path) -> None:
    first = {} if keyword == "Rows" else {keyword: values[0]}
    second = {} if keyword == "Rows" else {keyword: values[1]}
    save_series(tmp_path / "a", noise((4, 8, 8)), **first)
    save_series(tmp_path / "b", noise((4, 6 if keyword == "Rows" else 8, 8)), **second)
    stacks = stacks_in(tmp_path)
    assert [len(stack.images) for stack in stacks] == [4, 4]
    assert {one.instance.path[0] for one in stacks[0].images} == {"a"}
    assert [(stack.part, stack.parts) for stack in stacks] == [(1, 2), (2, 2)]


def test_localisers_of_three_directions_in_one_series_are_three_stacks(tmp_path: Path) -> None:
    for number, cosines in enumerate(([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1])):
        one = image(noise((8, 8)), (0, 0, float(number)))
        one.ImageOrientationPatient = cosines
        save(one, tmp_path / str(number))
    assert [len(stack.images) for stack in stacks_in(tmp_path)] == [1, 1, 1]


def test_a_time_series_without_any_tag_for_the_time(tmp_path: Path) -> None:
    for number in range(12):
        save(image(noise((8, 8)), (0, 0, float(number % 4)), InstanceNumber=number + 1), tmp_path / str(number))
    stacks = stacks_in(tmp_path)
    assert [_numbers(stack) for stack in stacks] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]


def test_steps_of_a_step_and_shoot_ct_stay_one_volume(tmp_path: Path) -> None:
    for number in range(8):
        one = image(noise((8, 8)), (0, 0, 5.0 * number), AcquisitionNumber=number // 2)
        save(one, tmp_path / str(number))
    assert [len(stack.images) for stack in stacks_in(tmp_path)] == [8]


def test_acquisitions_far_from_each_other_are_volumes_of_their_own(tmp_path: Path) -> None:
    for number in range(8):
        z = 5.0 * number + (182 if number > 3 else 0)
        save(image(noise((8, 8)), (0, 0, z), AcquisitionNumber=number // 4), tmp_path / str(number))
    stacks = stacks_in(tmp_path)
    assert [len(stack.images) for stack in stacks] == [4, 4]
    assert all(stack.grid is not None and not stack.grid.trouble for stack in stacks)


@pytest.mark.parametrize(
    ("places", "trouble"),
    [
        ([0, 1, 2, 3], ""),
        ([0, 0.67, 1.33, 2.0], ""),  # positions rounded to two digits
        ([0, 2, 4, 8, 10], "1 of its slices are missing: 4.00 mm between slices 2 and 3, 2.00 mm elsewhere"),
        ([0, 5, 10, 192, 197], "the distances of its slices vary from 5.00 to 182.00 mm"),
        ([0, 2.5, 5, 12.5, 20], "the distances of its slices vary from 2.50 to 7.50 mm"),
    ],
)
def test_gaps_and_uneven_distances_are_named(places: list[float], trouble: str, tmp_path: Path) -> None:
    save_series(tmp_path, noise((len(places), 8, 8)), places)
    (stack,) = stacks_in(tmp_path)
    assert stack.grid is not None
    assert stack.grid.trouble == trouble
    assert stack.grid.origins[:, 2].tolist() == pytest.approx(places)


def test_gantry_tilt_is_a_shear_of_the_stack(tmp_path: Path) -> None:
    tilt = np.radians(18.5)
    for number in range(6):
        one = image(noise((8, 8)), (0, 0, 5.0 * number))
        one.ImageOrientationPatient = [1, 0, 0, 0, np.cos(tilt), -np.sin(tilt)]
        save(one, tmp_path / str(number))
    (stack,) = stacks_in(tmp_path)
    assert stack.grid is not None
    assert stack.grid.trouble == "its slices are sheared by 18.5 degrees (gantry tilt)"
    assert np.allclose(stack.grid.affine[:3, 2], [0, 0, 5])


def test_the_real_tilted_and_uneven_head(oracles: Path) -> None:
    (stack,) = stacks_in(oracles / "dcm_qa_ct")
    assert len(stack.images) == 28
    assert stack.grid is not None
    assert "vary from 1.08 to 7.00 mm" in stack.grid.trouble
    assert "18.5 degrees" in stack.grid.trouble
    heights = [one.frame.position[2] for one in stack.images if one.frame.position]
    assert heights == sorted(heights)


def test_series_without_uids_are_told_apart_by_folder_number_and_description(tmp_path: Path) -> None:
    for folder, number in (("a", 1), ("a", 2), ("b", 1)):
        save_series(tmp_path / folder / str(number), noise((2, 8, 8)), SeriesInstanceUID="", SeriesNumber=number)
    assert [len(stack.images) for stack in stacks_in(tmp_path)] == [2, 2, 2]


def test_one_uid_for_two_patients_makes_two_series(tmp_path: Path) -> None:
    save_series(tmp_path / "a", noise((2, 8, 8)), PatientID="A")
    save_series(tmp_path / "b", noise((2, 8, 8)), PatientID="B")
    assert [len(stack.images) for stack in stacks_in(tmp_path)] == [2, 2]


def test_images_without_a_position_stand_alone(tmp_path: Path) -> None:
    for number in range(3):
        save(image(noise((8, 8)), None, Modality="DX", InstanceNumber=3 - number), tmp_path / str(number))
    stacks = stacks_in(tmp_path)
    assert [_numbers(stack) for stack in stacks] == [[1], [2], [3]]
    assert all(stack.grid is None and not stack.is_film for stack in stacks)


def test_a_film_is_one_stack(tmp_path: Path) -> None:
    frames = noise((5, 8, 8), "uint8", 0, 255)
    one = image(frames[0], None, NumberOfFrames=5, PixelData=frames.tobytes(), Modality="US")
    save(one, tmp_path / "x")
    (stack,) = stacks_in(tmp_path)
    assert stack.is_film
    assert len(stack.images) == 5
