"""Names against the grammar of SA-Med2D-20M, as independent parsers of the release read it."""

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from catalog.errors import CatalogError
from catalog.names import (
    ANATOMIES,
    DATASET_PATTERN,
    MAX_PART,
    MODALITY_TOKENS,
    SEQUENCES,
    ParsedName,
    image_name,
    mask_name,
    modality_token,
    parse_name,
    safe_part,
)

RELEASE_TOKENS = [
    "ct_00", "ct_cbf", "ct_cbv", "ct_mtt", "ct_tmax", "dermoscopy_00", "endoscopy_00", "fundus_photography", "mr_00",
    "mr_adc", "mr_cbf", "mr_cbv", "mr_cmr", "mr_dwi", "mr_flair", "mr_hbv", "mr_lge", "mr_mprage", "mr_mtt", "mr_pd",
    "mr_rcbf", "mr_rcbv", "mr_t1", "mr_t1c", "mr_t1ce", "mr_t1gd", "mr_t1w", "mr_t2", "mr_t2w", "mr_tmax", "mr_ttp",
    "pet_00", "ultrasound_00", "x_ray",
]  # fmt: skip
"""The 34 that occur in the file names of the release."""

OWN_TOKENS = {"oct_00", "mammography_00", "microscopy_00", "histopathology_00"}

# {modality}_{submodality}--{dataset}--{original name}--{axis}_{NNNN}, for masks --{class}_{instance}
RELEASE = re.compile(
    rf"(?:{'|'.join(RELEASE_TOKENS)})--(?P<dataset>(?:(?!--).)+)--(?P<case>(?:(?!--).)+)--(?:[xyz]_[0-9]{{4,}}|2d_none)"
    r"(?:--[0-9]{4}_[0-9]{3,})?"
)

FROM_THE_RELEASE = {
    "mr_00--ACDC--patient001_frame01--x_0006": ParsedName("mr_00", "ACDC", "patient001_frame01", "x", 6, None, None),
    "x_ray--covid_19_ct_cxr--16660_5_1--2d_none": ParsedName(
        "x_ray", "covid_19_ct_cxr", "16660_5_1", None, None, None, None
    ),
    "mr_t1--BraTS2021--BraTS2021_00218--z_0141--0011_000": ParsedName(
        "mr_t1", "BraTS2021", "BraTS2021_00218", "z", 141, 11, 0
    ),
    "ct_00--CAD_PE--001--x_0125--0000_002": ParsedName("ct_00", "CAD_PE", "001", "x", 125, 0, 2),
}

tokens = st.sampled_from(RELEASE_TOKENS)
datasets = st.from_regex(DATASET_PATTERN, fullmatch=True)
cases = st.text(min_size=0, max_size=30)
planes = st.none() | st.tuples(st.sampled_from("xyz"), st.integers(0, 20_000))


def token_of_every_modality() -> set[str]:
    found = {modality_token(modality) for modality in MODALITY_TOKENS}
    return found | {modality_token(modality, one) for modality, every in SEQUENCES.items() for one in every}


def test_tokens_are_those_of_the_release_and_four_more() -> None:
    assert len(RELEASE_TOKENS) == 34
    assert token_of_every_modality() == set(RELEASE_TOKENS) | OWN_TOKENS


def test_tokens_of_unknown_sequences_follow_the_same_rule() -> None:
    assert modality_token("MR", "swi") == "mr_swi"
    assert modality_token("PET", "fdg") == "pet_fdg"
    assert modality_token("X-ray") == "x_ray"
    assert modality_token("Fundus") == "fundus_photography"


def test_anatomies_are_sa_med2ds_groups() -> None:
    assert ANATOMIES == ("head_and_neck", "thorax", "abdomen", "pelvis", "lesion", "other")


@pytest.mark.parametrize("name", FROM_THE_RELEASE)
def test_names_of_the_release(name: str) -> None:
    parsed = FROM_THE_RELEASE[name]
    assert RELEASE.fullmatch(name)
    assert parse_name(name) == parsed
    image = image_name(parsed.token, parsed.dataset, parsed.case, parsed.axis, parsed.slice)
    assert name == (
        image
        if parsed.label_id is None or parsed.instance is None
        else mask_name(image, parsed.label_id, parsed.instance)
    )


@given(tokens, datasets, cases, planes, st.none() | st.tuples(st.integers(0, 9999), st.integers(0, 5000)))
def test_round_trip_and_grammar(
    token: str, dataset: str, text: str, plane: tuple[str, int] | None, component: tuple[int, int] | None
) -> None:
    case = safe_part(text)
    axis, index = plane or (None, None)
    name = image_name(token, dataset, case, axis, index)
    if component:
        name = mask_name(name, *component)
    assert len(name.split("--")) == (5 if component else 4)
    match = RELEASE.fullmatch(name)
    assert match
    assert (match["dataset"], match["case"]) == (dataset, case)
    assert parse_name(name) == ParsedName(token, dataset, case, axis, index, *(component or (None, None)))


@given(tokens, datasets, cases, planes, st.tuples(st.integers(0, 9999), st.integers(0, 5000)))
def test_a_masks_name_begins_with_its_images(
    token: str, dataset: str, text: str, plane: tuple[str, int] | None, component: tuple[int, int]
) -> None:
    image = image_name(token, dataset, safe_part(text), *(plane or (None, None)))
    assert mask_name(image, *component).rpartition("--")[0] == image


def test_numbers_past_their_digits_grow() -> None:
    assert image_name("ct_00", "A", "b", "z", 12345) == "ct_00--A--b--z_12345"
    assert mask_name("i", 1, 1000) == "i--0001_1000"
    assert parse_name("ct_00--A--b--z_12345--0001_1000").instance == 1000


@given(st.text(max_size=40))
@example("")
@example("--")
@example("..")
@example("../../etc/passwd")
@example(".hidden")
@example("a---b----c")
@example("-.-")
@example("a\0b\n")
@example("Ünïcödé/Fall №7")
@example("患者")
@example("a–b")
def test_a_safe_part_is_safe(text: str) -> None:
    part = safe_part(text)
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", part)
    assert "--" not in part
    assert part[0] not in ".-"
    assert part[-1] not in ".-"
    assert safe_part(part) == part


@given(st.from_regex(r"[A-Za-z0-9_]+(?:[-.][A-Za-z0-9_]+)*", fullmatch=True))
def test_a_part_that_is_safe_stays_as_it_is(text: str) -> None:
    assume(len(text) <= MAX_PART)
    assert safe_part(text) == text


def test_safe_parts_of_common_case_ids() -> None:
    assert safe_part("patient 001 (left)") == "patient_001_left_"
    assert safe_part("sub-01_ses--02") == "sub-01_ses-02"
    assert safe_part("1.2.840.113619") == "1.2.840.113619"
    assert safe_part("folder/scan") == "folder_scan"


@pytest.mark.parametrize(
    "name",
    [
        "", "a", "ct_00--A--b", "ct_00--A--b--w_0001", "ct_00--A--b--z_001", "ct_00--A--b--z_0001--1_000",
        "ct_00--A--b--z_0001--0001_00", "ct_00--A--b--z_0001--0001_000--x", "ct_00--A----z_0001", "--A--b--z_0001",
        "ct_00----b--z_0001", "ct_00--A--b--2d_none--", "ct_00--A--b--z_0001.png", "ct_00--A--b--2d_0001",
        "ct_00--A--b--z_٠٠٠١", "ct_00--A--b--z_0001--٠٠٠١_000", "ct_00--A--b--z_-001",
    ],
)  # fmt: skip
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(CatalogError, match="expected TOKEN--DATASET--CASE"):
        parse_name(name)


@given(st.text("ct0x_2dnone-z1. ", max_size=30))
def test_what_is_parsed_gives_its_name_back(name: str) -> None:
    try:
        parsed = parse_name(name)
    except CatalogError:
        return
    image = image_name(parsed.token, parsed.dataset, parsed.case, parsed.axis, parsed.slice)
    if parsed.label_id is None or parsed.instance is None:
        assert image == name
    else:
        assert mask_name(image, parsed.label_id, parsed.instance) == name


@given(datasets)
def test_a_data_sets_name_is_a_safe_part(name: str) -> None:
    assume(len(name) <= MAX_PART)
    assert safe_part(name) == name


@pytest.mark.parametrize("name", ["", "-", "a--b", "-a", "a-", "a.b", "a b", "a/b", "é", "a\n"])
def test_names_no_data_set_can_have(name: str) -> None:
    assert not re.fullmatch(DATASET_PATTERN, name)
