"""The shipped recipes: each loads, finds its cases in the layout it tells of, and knows every label value."""

import csv
import importlib.util
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from curate.discovery.cases import find_cases
from curate.discovery.source import source_folder
from curate.recipe.load import load_recipe
from curate.recipe.resolved import Recipe

RECIPES = Path(__file__).parents[2] / "recipes"
FILES = sorted(RECIPES.rglob("*.yaml"))

DEMO = ("demo_colin27", "demo_mni152", "demo_nuclei2d", "demo_nuclei3d")
PUBLIC = ("dsb2018", "kits23", "kvasir_seg", "msd09_spleen", "totalsegmentator_v2")

# Recipe; folder of the sample; how the path of an image ends (or of a label, where that is easier to tell),
# how many such files lie there; how many cases the recipe makes of them, how many label files these have.
SAMPLES: list[tuple[str, str, str, int, int, int]] = [
    ("dsb2018", "DSB2018", r"/images/[^/]+\.png", 155, 155, 6599),
    ("kvasir_seg", "Kvasir-SEG", r"/images/[^/]+\.jpg", 140, 140, 140),
    ("samples/brats_deepmedic", "BRATS_deepmedic", r"/(Flair|T1c)_[^/]+\.nii\.gz", 4, 4, 4),
    ("samples/brats_deepmedic_brain", "BRATS_deepmedic", r"/(Flair|T1c)_[^/]+\.nii\.gz", 4, 4, 4),
    ("samples/busi_mini", "BUSI_mini", r"/images/[^/]+\.png", 6, 5, 5),
    ("samples/ddsm_fgt", "DDSM_fgt", r"_LI\.png", 50, 50, 50),
    ("drive", "DRIVE", r"\.tif", 10, 10, 10),
    ("hc18", "HC18", r"_Annotation\.png", 80, 80, 80),
    ("samples/ibsi_sts", "IBSI_STS", r"_image\.nii\.gz", 7, 7, 7),
    ("samples/isbi2012_membrane", "ISBI2012_membrane", r"/image/\d+\.png", 12, 12, 12),
    ("samples/mc_sz_cxr", "MC_SZ_CXR", r"/cxr/[^/]+\.png", 95, 95, 95),
    ("samples/octa_faz_mini", "OCTA_FAZ_mini", r"/images/[^/]+\.jpg", 18, 18, 18),
    ("samples/octseg_zeiss", "OCTseg-Zeiss", r"/img/[^/]+\.png", 3, 3, 3),
    ("samples/open_ms_data", "open_ms_data", r"/FLAIR[^/]+\.nii\.gz", 1, 1, 1),
    ("ph2", "PH2Dataset", r"_Dermoscopic_Image/[^/]+\.bmp", 8, 8, 8),
    ("samples/pyradiomics", "pyradiomics", r"_image\.nrrd", 3, 3, 3),
    ("samples/sct_testing_data", "sct_testing_data", r"seg[^/]*\.nii\.gz", 6, 5, 6),
    ("samples/segmentation_wbc", "segmentation_WBC", r"\.bmp", 68, 68, 68),
    ("samples/stardist_pkg", "stardist_pkg", r"/img[23]d\.tif", 2, 2, 2),
    ("samples/totalsegmentator_sample", "TotalSegmentator", r"/example_seg/[^/]+\.nii\.gz", 107, 1, 107),
    ("samples/totalsegmentator_sample_multilabel", "TotalSegmentator", r"/example_ct\.nii\.gz", 1, 1, 1),
]

# What the sources themselves say their values mean; (): the encoding has one label.
CLASSES: dict[str, dict[str, Any]] = {
    "kits23": {"kidney": (1, 2, 3), "kidney_tumor": (2,), "kidney_cyst": (3,)},
    "msd09_spleen": {"spleen": (1,)},
    "kvasir_seg": {"polyp": ()},
    "dsb2018": {"nucleus": ()},
    "samples/brats_deepmedic": {
        "necrosis": (1,),
        "oedema": (2,),
        "non_enhancing_tumour": (3,),
        "enhancing_tumour": (4,),
        "whole_tumour": (1, 2, 3, 4),
        "tumour_core": (1, 3, 4),
    },
    "samples/octseg_zeiss": {
        "RNFL": (0,),
        "GCL_IPL": (30,),
        "INL": (60,),
        "OPL": (90,),
        "ONL": (120,),
        "IS": (150,),
        "OS": (180,),
        "RPE": (210,),
    },
    "samples/ddsm_fgt": {
        "adipose_tissue": (128,),
        "fibroglandular_tissue": (192,),
        "pectoral_muscle": (255,),
    },
    "samples/segmentation_wbc": {"cytoplasm": (128,), "nucleus": (255,), "white_blood_cell": (128, 255)},
    "samples/busi_mini": {"benign_tumour": ((0, 255, 0),), "malignant_tumour": ((255, 0, 0),)},
    "demo/demo_mni152": {"grey_matter": ("gm",), "white_matter": ("wm",)},
}

# Sets whose labels are ids or levels, all of which occur in the sample.
VALUED = (
    "samples/brats_deepmedic",
    "samples/ddsm_fgt",
    "samples/ibsi_sts",
    "samples/octseg_zeiss",
    "samples/open_ms_data",
    "samples/pyradiomics",
    "samples/sct_testing_data",
    "samples/segmentation_wbc",
)

AGREEING = ("spleen", "liver", "colon", "hip_left", "vertebrae_L3", "rib_right_12", "urinary_bladder")


def recipe(stem: str) -> Recipe:
    """Return a shipped recipe, by its path below recipes/ without suffix."""
    return load_recipe(RECIPES / f"{stem}.yaml")


def sample_of(stem: str, shared_data: Path) -> Path:
    """Return the folder of a recipe's sample."""
    folder = next(folder for name, folder, *_ in SAMPLES if name == stem)
    if not (shared_data / folder).is_dir():
        pytest.skip(f"the sample {folder} is not here")
    return shared_data / folder


def files_below(folder: Path) -> list[str]:
    """Return every file, relative to the folder and beginning with `/`."""
    start = len(str(folder))
    return [f"{root[start:]}/{name}" for root, _, names in os.walk(folder) for name in names]


def voxels(path: Path) -> np.ndarray[Any, Any]:
    """Return a label file's values as its own library reads them."""
    if path.name.endswith(".nii.gz"):
        return np.asanyarray(nibabel.load(path).dataobj)
    if path.suffix == ".nrrd":
        return np.asarray(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))))
    with Image.open(path) as image:
        return np.asarray(image)


def write(root: Path, names: Iterable[str]) -> None:
    """Make empty files."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recipe_loads_and_tells_its_readers_enough(path: Path) -> None:
    loaded = load_recipe(path)
    assert path.stem == path.stem.lower()
    assert loaded.title
    assert loaded.homepage
    assert loaded.notes
    assert len(loaded.notes) > 80, "say what a reader must know, and where it was seen"
    assert all(len(line) <= 150 for line in path.read_text(encoding="utf-8").splitlines())
    assert all(group.label and group.labels for group in loaded.groups)


def test_names_are_unique_also_where_case_does_not_count() -> None:
    names = [load_recipe(path).name.casefold() for path in FILES]
    assert len(names) == len(set(names)) == len(FILES)
    stems = [path.stem for path in FILES]
    assert len(stems) == len(set(stems))


def test_the_recipes_that_are_promised_exist() -> None:
    promised = {*PUBLIC, *(f"demo/{stem}" for stem in DEMO), *(stem for stem, *_ in SAMPLES)}
    there = {path.relative_to(RECIPES).with_suffix("").as_posix() for path in FILES}
    assert promised <= there
    assert {name for name in there if name.startswith("samples/")} <= promised, "a sample without a count"


@pytest.mark.parametrize(
    ("stem", "folder", "ending", "files", "cases", "labels"), SAMPLES, ids=[row[0] for row in SAMPLES]
)
def test_a_sample_is_found_whole(
    stem: str, folder: str, ending: str, files: int, cases: int, labels: int, shared_data: Path
) -> None:
    source = sample_of(stem, shared_data)
    assert sum(bool(re.search(f"{ending}$", name)) for name in files_below(source)) == files
    loaded = recipe(stem)
    found = find_cases(loaded, source)
    assert len(found.cases) == cases
    assert sum(len(case.labels) for case in found.cases) == labels
    assert all(case.labels for case in found.cases)
    assert len(found.excluded) == (files - cases if stem == "samples/busi_mini" else 0)
    tokens = {(case.group, case.case) for case in found.cases}
    assert len(tokens) == cases
    assert all((source / case.image.name).is_file() for case in found.cases)
    assert all((source / label.name).is_file() for case in found.cases for _, label in case.labels)
    absent = {1} if stem == "drive" else set()  # the sample is the training half
    assert {case.group for case in found.cases} == set(range(len(loaded.groups))) - absent


@pytest.mark.parametrize("stem", CLASSES)
def test_classes_are_those_of_the_source(stem: str) -> None:
    for group in recipe(stem).groups:
        assert {label.name: label.values for label in group.labels} == CLASSES[stem]


@pytest.mark.parametrize("stem", VALUED)
def test_every_value_in_the_files_is_known_and_every_known_value_occurs(stem: str, shared_data: Path) -> None:
    source = sample_of(stem, shared_data)
    loaded = recipe(stem)
    for index, group in enumerate(loaded.groups):
        if group.encoding == "files":
            continue
        present: set[float] = set()
        for case in find_cases(loaded, source).cases:
            if case.group == index:
                present |= set(np.unique(voxels(source / case.labels[0][1].name)).tolist())
        known = {value for label in group.labels for value in label.values}
        assert present - {0} == {*known, *group.ignore} - {0}
        assert not known & set(group.ignore)


def test_colours_of_busi_are_pure(shared_data: Path) -> None:
    source = sample_of("samples/busi_mini", shared_data)
    loaded = recipe("samples/busi_mini")
    present: set[Any] = set()
    for case in find_cases(loaded, source).cases:
        pixels = voxels(source / case.labels[0][1].name).reshape(-1, 3)
        present |= set(map(tuple, np.unique(pixels, axis=0).tolist()))
    assert present == {(0, 0, 0), *(value for label in loaded.groups[0].labels for value in label.values)}


@pytest.mark.parametrize("stem", ["kvasir_seg", "samples/mc_sz_cxr", "samples/octa_faz_mini", "ph2", "drive"])
def test_the_threshold_parts_light_from_dark(stem: str, shared_data: Path) -> None:
    """A mask has both, and less than one pixel in a hundred lies in the middle half of the greys."""
    source = sample_of(stem, shared_data)
    for case in find_cases(recipe(stem), source).cases[:10]:
        with Image.open(source / case.labels[0][1].name) as image:
            grey = np.asarray(image.convert("L"))
        assert (grey < 128).any()
        assert (grey >= 128).any()
        assert np.mean((grey >= 64) & (grey < 192)) < 0.01


def test_brain_mask_is_just_under_one(shared_data: Path) -> None:
    source = sample_of("samples/brats_deepmedic_brain", shared_data)
    loaded = recipe("samples/brats_deepmedic_brain")
    values = np.unique(voxels(source / find_cases(loaded, source).cases[0].labels[0][1].name))
    threshold = loaded.groups[0].threshold
    assert threshold is not None
    assert values[0] == 0
    assert threshold < values[1] < 1


def test_membrane_is_the_dark_part(shared_data: Path) -> None:
    source = sample_of("samples/isbi2012_membrane", shared_data)
    loaded = recipe("samples/isbi2012_membrane")
    assert loaded.groups[0].encoding == "inverted"
    shares = [np.mean(voxels(source / case.labels[0][1].name) < 128) for case in find_cases(loaded, source).cases]
    assert 0.15 < np.mean(shares) < 0.35


def test_images_of_one_patient_are_held_together(shared_data: Path) -> None:
    for stem in ("samples/isbi2012_membrane", "samples/octseg_zeiss", "samples/sct_testing_data"):
        cases = find_cases(recipe(stem), sample_of(stem, shared_data)).cases
        assert len({case.patient for case in cases}) == 1
    cases = find_cases(recipe("samples/ibsi_sts"), sample_of("samples/ibsi_sts", shared_data)).cases
    assert len({case.patient for case in cases}) == 3


def test_totalsegmentator_v2_has_117_labels_each_named_as_its_file() -> None:
    labels = recipe("totalsegmentator_v2").groups[0].labels
    assert len(labels) == 117
    assert all(label.values == (label.name,) for label in labels)


def test_totalsegmentator_v2_has_the_names_in_the_order_of_their_ids(shared_data: Path) -> None:
    labels = recipe("totalsegmentator_v2").groups[0].labels
    table = shared_data.parent / "datasets" / "labels" / "totalsegmentator_v2.tsv"
    if not table.is_file():
        pytest.skip("the table of names is not here")
    with table.open(encoding="utf-8", newline="") as file:
        rows = {int(row["id"]): row["name"] for row in csv.DictReader(file, delimiter="\t")}
    assert {label.id: label.name for label in labels} == rows


def test_totalsegmentator_sample_names_its_files_and_its_two_forms_agree(shared_data: Path) -> None:
    source = sample_of("samples/totalsegmentator_sample", shared_data)
    folder = source / "tests" / "reference_files"
    files = {name.removesuffix(".nii.gz") for name in os.listdir(folder / "example_seg")}  # noqa: PTH208
    apart = {label.name: label for label in recipe("samples/totalsegmentator_sample").groups[0].labels}
    together = recipe("samples/totalsegmentator_sample_multilabel").groups[0].labels
    assert set(apart) == files
    assert files - {label.name for label in together} == {"lung", "lung_trachea_bronchia", "lung_vessels"}
    whole = voxels(folder / "example_seg.nii.gz")
    assert set(np.unique(whole).tolist()) <= {0, *(value for label in together for value in label.values)}
    for label in together:
        assert label.anatomy == apart[label.name].anatomy
        if label.name in AGREEING:
            one = voxels(folder / "example_seg" / f"{label.name}.nii.gz") > 0
            np.testing.assert_array_equal(one, whole == label.values[0])


@pytest.mark.parametrize("stem", ["totalsegmentator_v2", "samples/totalsegmentator_sample"])
def test_anatomy_goes_by_the_structure(stem: str) -> None:
    anatomy = {label.name: label.anatomy for label in recipe(stem).groups[0].labels}
    expected = {
        "liver": "abdomen",
        "aorta": "thorax",
        "rib_left_12": "thorax",
        "vertebrae_C7": "head_and_neck",
        "vertebrae_T1": "thorax",
        "vertebrae_L5": "abdomen",
        "sacrum": "pelvis",
        "urinary_bladder": "pelvis",
        "brain": "head_and_neck",
        "femur_left": "other",
    }
    assert {name: anatomy[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("stem", "files", "expected"),
    [
        (
            "kits23",
            [
                "dataset/case_00000/imaging.nii.gz",
                "dataset/case_00000/segmentation.nii.gz",
                "dataset/case_00000/instances/kidney_instance-1_annotation-1.nii.gz",
                "dataset/case_00588/imaging.nii.gz",
                "dataset/kits23.json",
            ],
            {"case_00000": 1, "case_00588": 0},
        ),
        (
            "msd09_spleen",
            [
                "dataset.json",
                "imagesTr/spleen_2.nii.gz",
                "imagesTr/._spleen_2.nii.gz",
                "labelsTr/spleen_2.nii.gz",
                "labelsTr/._spleen_2.nii.gz",
                "imagesTs/spleen_1.nii.gz",
            ],
            {"spleen_2": 1},
        ),
        (
            "totalsegmentator_v2",
            [
                "s0000/ct.nii.gz",
                "s0000/segmentations/spleen.nii.gz",
                "s0000/segmentations/costal_cartilages.nii.gz",
                "s0000/segmentations/body_trunc.nii.gz",
                "s1429/ct.nii.gz",
                "s1429/segmentations/liver.nii.gz",
            ],
            {"s0000": 2, "s1429": 1},
        ),
        (
            "kvasir_seg",
            ["images/cju0.jpg", "masks/cju0.jpg", "kavsir_bboxes.json", "masks/preprocessed/cju0.tif"],
            {"cju0": 1},
        ),
        (
            "dsb2018",
            [
                "stage1_train/0a1b/images/0a1b.png",
                "stage1_train/0a1b/masks/77.png",
                "stage1_train/0a1b/masks/78.png",
                "stage1_train_labels.csv",
                "stage1_test/ffff/images/ffff.png",
            ],
            {"0a1b": 2},
        ),
    ],
)
def test_public_layouts_are_found_and_what_else_lies_there_is_not(
    stem: str, files: list[str], expected: dict[str, int], tmp_path: Path
) -> None:
    write(tmp_path, files)
    found = find_cases(recipe(stem), tmp_path)
    assert {case.case: len(case.labels) for case in found.cases} == expected


def test_images_that_the_corrected_dsb2018_dropped_are_excluded(tmp_path: Path) -> None:
    loaded = recipe("dsb2018")
    write(tmp_path, [f"stage1_train/{case}/images/{case}.png" for case in loaded.exclude])
    write(tmp_path, ["stage1_train/0a1b/images/0a1b.png"])
    found = find_cases(loaded, tmp_path)
    assert len(found.excluded) == 6
    assert [case.case for case in found.cases] == ["0a1b"]


@pytest.mark.parametrize("stem", DEMO)
def test_demo_data_are_found_where_their_package_is_installed(stem: str) -> None:
    loaded = recipe(f"demo/{stem}")
    assert loaded.source is not None
    package = re.match("package:([^/]+)", loaded.source)
    if package and importlib.util.find_spec(package[1]) is None:
        pytest.skip(f"{package[1]} is not installed")
    if package is None and not Path(loaded.source).is_dir():
        pytest.skip(f"{loaded.source} is not here")
    folder = source_folder(loaded)
    found = find_cases(loaded, folder)
    assert len(found.cases) == 1
    paths = [found.cases[0].image.name, *(label.name for _, label in found.cases[0].labels)]
    assert len(paths) == (3 if stem == "demo_mni152" else 2)
    assert all((folder / path).is_file() for path in paths)


def test_colin27_has_the_116_names_of_the_atlas() -> None:
    labels = recipe("demo/demo_colin27").groups[0].labels
    assert [label.values for label in labels] == [(number,) for number in range(1, 117)]
    assert {label.name: label.values[0] for label in labels}["Hippocampus_L"] == 37
    table = Path("/usr/share/mricron/templates/aal.nii.txt")
    if not table.is_file():
        pytest.skip("mricron-data is not installed")
    rows = [line.split() for line in table.read_text(encoding="ascii").splitlines() if line.strip()]
    assert [(label.values[0], label.name) for label in labels] == [(int(row[0]), row[1]) for row in rows]


LIBRARY = sorted(RECIPES.glob("*.yaml"))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_a_recipe_of_the_library_says_how_sure_it_is_and_what_to_cite(path: Path) -> None:
    loaded = load_recipe(path)
    assert loaded.status is not None
    assert loaded.citation or loaded.doi or loaded.status != "seen" or path.stem in WITHOUT_PUBLICATION
    assert (loaded.status == "incomplete") == (not loaded.groups)


WITHOUT_PUBLICATION = {"promise09"}


def test_recipes_that_share_scans_name_each_other() -> None:
    overlaps = {path.stem: set(load_recipe(path).overlaps) for path in LIBRARY}
    assert {name for names in overlaps.values() for name in names} <= overlaps.keys()
    one_way = {(a, b) for a, names in overlaps.items() for b in names if a not in overlaps[b]}
    assert not one_way
