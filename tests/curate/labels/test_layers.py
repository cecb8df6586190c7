import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.inputs import FileInput
from curate.labels.base import Decoded, LabelFile
from curate.labels.registry import ENCODINGS as REGISTRY
from curate.masks.select import find_masks
from curate.recipe.resolved import Group, Label

Values = Sequence[Any]
ENCODINGS = ["ids", "instances", "grey", "rgb", "threshold", "inverted", "outline", "files", "instance_files"]


def group(encoding: str, labels: dict[str, Values], **keys: Any) -> Group:
    settings: dict[str, Any] = {
        "threshold": REGISTRY[encoding].threshold,
        "tolerance": 0,
        "ignore": (),
        "geometry": "physical",
        **keys,
    }
    return Group(
        image="{case}.png",
        label="{case}_seg.png",
        case=None,
        patient=None,
        channels=(),
        labels=tuple(
            Label(name, n, tuple(values), "other") for n, (name, values) in enumerate(labels.items(), start=1)
        ),
        encoding=encoding,
        axes=("z",),
        stack="volume",
        orient="radiological",
        isotropic=False,
        aspect=None,
        min_area=0.0,
        union=False,
        subsample=1,
        spacing=None,
        **settings,
    )


@dataclass(frozen=True)
class MadeFile(LabelFile):
    """A label file whose content is in memory."""

    content: Callable[[], Volume] = field(kw_only=True)

    def read(self) -> Volume:
        return self.content()


def made(word: str, content: Callable[[], Volume]) -> LabelFile:
    return MadeFile(word, FileInput(Path("source"), "seg.png"), content=content)


def label_file(content: NDArray[Any] | Volume, word: str = "", name: str = "seg.png") -> LabelFile:
    volume = content if isinstance(content, Volume) else Volume(content)
    return MadeFile(word, FileInput(Path("source"), name), content=lambda: volume)


def read_labels(of: Group, files: Sequence[LabelFile], image: Volume) -> Decoded:
    return REGISTRY[of.encoding].decode(of, files, image)


def decode(of: Group, *files: LabelFile, image: Volume | None = None) -> Decoded:
    if image is None:
        image = Volume(np.zeros(files[0].read().shape, np.uint8))
    labels = read_labels(of, files, image)
    for layer in labels.layers:
        assert layer.voxels.dtype in (np.uint8, np.uint16)
        assert layer.voxels.shape == image.shape
        assert layer.classes[0] == 0
        assert layer.voxels.max() < len(layer.classes)
    return labels


def masks(of: Group, labels: Decoded) -> dict[str, NDArray[np.bool_]]:
    """Return what each label covers, over all layers; no label may lie in two of them at once."""
    drawn = {}
    for one in of.labels:
        parts = [(layer.classes[layer.voxels] == one.id) & (layer.voxels > 0) for layer in labels.layers]
        drawn[one.name] = np.sum(parts, axis=0, dtype=int) == 1
        assert not parts or np.sum(parts, axis=0).max() <= 1
    return drawn


def assert_covers(of: Group, expected: dict[str, NDArray[np.bool_]], *files: LabelFile) -> Decoded:
    labels = decode(of, *files)
    for name, mask in masks(of, labels).items():
        np.testing.assert_array_equal(mask, expected[name], err_msg=name)
    return labels


def refused(of: Group, *files: LabelFile, reason: Reason = Reason.LABELS) -> str:
    with pytest.raises(CaseError) as caught:
        decode(of, *files)
    assert caught.value.reason is reason
    return caught.value.detail


def blocks(*values: Any, side: int = 13) -> NDArray[Any]:
    """Return a page (1, side, side * n) of one block a value."""
    return np.repeat(np.repeat(np.array([[values]]), side, axis=1), side, axis=2)


# ---- ids ----

IDS = np.random.default_rng(5).choice([0, 0, 0, 1, 2, 3, 7], (3, 6, 7))


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
)
def test_ids_of_every_dtype(dtype: str) -> None:
    of = group("ids", {"kidney": [1, 2, 3], "tumour": [2], "other": [7]})
    labels = assert_covers(
        of,
        {"kidney": np.isin(IDS, [1, 2, 3]), "tumour": IDS == 2, "other": IDS == 7},
        label_file(IDS.astype(dtype)),
    )
    assert len(labels.layers) == 2  # the tumour lies inside the kidney, the other does not
    assert not labels.resampled


POOL = [0, 1, 2, 3, 254, 255, 256, 65534, 65535, 65536, -1, -7, 2**31, 2**40, -(2**53)]


@settings(max_examples=200)
@given(
    data=st.data(),
    allowed=st.lists(st.sampled_from(POOL), min_size=1, max_size=6, unique=True),
    dtype=st.sampled_from(["int64", "float64"]),
)
def test_any_ids_any_regions(data: st.DataObject, allowed: list[int], dtype: str) -> None:
    """Negative, huge and float ids, 0 as a label, regions that nest or cross: against np.isin."""
    voxels = data.draw(hnp.arrays("int64", (2, 4, 5), elements=st.sampled_from(allowed)))
    regions = data.draw(
        st.lists(st.lists(st.sampled_from(POOL), min_size=1, max_size=4, unique=True), min_size=1, max_size=5)
    )
    of = group("ids", {f"label_{n}": values for n, values in enumerate(regions)}, ignore=tuple(POOL))
    expected = {f"label_{n}": np.isin(voxels, values) for n, values in enumerate(regions)}
    assert_covers(of, expected, label_file(voxels.astype(dtype)))


@pytest.mark.parametrize("top", [255, 65535])
def test_zero_and_the_highest_value_both_claimed(top: int) -> None:
    voxels = np.array([[[0, top, 5], [top, 0, 5]]], np.uint16)
    of = group("ids", {"outside": [0], "inside": [top], "edge": [5]})
    assert_covers(of, {"outside": voxels == 0, "inside": voxels == top, "edge": voxels == 5}, label_file(voxels))


def test_unknown_ids_are_named_with_their_voxels() -> None:
    voxels = np.array([[[0, 1, 1, 9, 9, 9, 4, 300]]], np.int16)
    assert refused(group("ids", {"a": [1]}), label_file(voxels)) == (
        "seg.png: label values that are not in the recipe (3); add them to `labels` or `ignore`: "
        "4 (1 voxels), 9 (3 voxels), 300 (1 voxels)"
    )
    many = np.arange(-3, 13)[np.newaxis, np.newaxis]
    detail = refused(group("ids", {"a": [1]}), label_file(many))
    assert "-3 (1 voxels), -2 (1 voxels)" in detail


def test_ignored_ids_belong_to_nothing() -> None:
    voxels = np.array([[[0, 1, 9, -4, 9]]])
    of = group("ids", {"a": [1]}, ignore=(9, -4))
    assert_covers(of, {"a": voxels == 1}, label_file(voxels))


def test_values_that_are_no_whole_numbers() -> None:
    voxels = np.array([[[0, 1, 0.5, 0.25]]], np.float32)
    assert refused(group("ids", {"a": [1]}), label_file(voxels)).startswith(
        "seg.png: 2 voxels are not whole numbers (from 0 to 1); for an interp"
    )


@pytest.mark.parametrize("encoding", [encoding for encoding in ENCODINGS if encoding != "rgb"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(encoding: str, bad: float) -> None:
    of = group(encoding, {"a": ["a"] if encoding == "files" else [1]})
    content = np.array([[[0, 1, bad]]], np.float32)
    assert "NaN or infinite" in refused(of, label_file(content, "a"), reason=Reason.NOT_FINITE)


@pytest.mark.parametrize("content", [np.array([[[0, 2**64 - 1]]], np.uint64), np.array([[[0, -1e30]]])])
def test_values_beyond_all_ids(content: NDArray[Any]) -> None:
    assert "this is not a label map" in refused(group("ids", {"a": [1]}), label_file(content))


def test_ids_are_source_values_not_stored_ones() -> None:
    stored = np.array([[[0, 1, 2, 255]]], np.uint8)
    of = group("ids", {"a": [2], "b": [4], "c": [510]})
    expected = {"a": stored == 1, "b": stored == 2, "c": stored == 255}
    assert_covers(of, expected, label_file(Volume(stored, slope=2.0)))
    spm = Volume(stored, slope=float(np.float32(1 / 255)))  # 255 * slope is not 1 but a rounding beside it
    assert refused(group("ids", {"a": [1]}), label_file(spm)).startswith("seg.png: 2 voxels are not whole numbers")
    two = Volume(np.where(stored == 255, stored, np.uint8(0)), slope=spm.slope)
    assert_covers(group("ids", {"a": [1]}), {"a": stored == 255}, label_file(two))


def test_palette_indices_are_ids() -> None:
    palette = np.zeros((256, 3), np.uint8)
    palette[:3] = (9, 9, 9), (255, 0, 0), (0, 255, 0)
    indices = np.array([[[0, 1, 2, 2]]], np.uint8)
    of = group("ids", {"red": [1], "green": [2]})
    assert_covers(of, {"red": indices == 1, "green": indices == 2}, label_file(Volume(indices, palette=palette)))


def test_a_grey_image_saved_as_rgb_is_grey() -> None:
    voxels = np.array([[[0, 1, 2]]], np.uint8)
    for encoding in ("ids", "grey"):
        of = group(encoding, {"a": [1], "b": [2]})
        assert_covers(of, {"a": voxels == 1, "b": voxels == 2}, label_file(np.stack([voxels] * 3, axis=-1)))
        colour = np.stack([voxels, voxels, voxels * 2], axis=-1)
        assert refused(of, label_file(colour)) == "seg.png is a colour image: use the encoding `rgb`, or `threshold`"


def test_several_files_of_ids_have_layers_of_their_own() -> None:
    one, two = np.array([[[0, 1, 1]]], np.uint8), np.array([[[0, 0, 2]]], np.uint8)
    assert_covers(group("ids", {"a": [1], "b": [2]}), {"a": one == 1, "b": two == 2}, label_file(one), label_file(two))


# ---- instances ----


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32"])
def test_touching_instances_stay_apart(dtype: str) -> None:
    ids = np.zeros((1, 6, 8), dtype)
    ids[0, 1:5, 1:4], ids[0, 1:5, 4:7], ids[0, 0, 0] = 3, 90, 7
    of = group("instances", {"cell": []}, ignore=(7,))
    (layer,) = decode(of, label_file(ids)).layers
    assert layer.by_value
    found, _ = find_masks(layer.voxels[0], layer.classes, layer.by_value, 0.0)
    assert [(mask.label, mask.instance, mask.area, mask.x0) for mask in found] == [(1, 0, 12, 1), (1, 1, 12, 4)]


@settings(max_examples=60)
@given(hnp.arrays("int64", (1, 4, 6), elements=st.sampled_from([0, 1, 2, 300, 70000, -5, 2**50])))
def test_any_instance_ids(ids: NDArray[np.int64]) -> None:
    (layer,) = decode(group("instances", {"cell": []}), label_file(ids)).layers
    np.testing.assert_array_equal(layer.classes[layer.voxels], ids != 0)
    pairs = set(zip(layer.voxels.ravel().tolist(), ids.ravel().tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_too_many_values_for_a_label_map() -> None:
    ids = np.arange(-1, 70000).reshape(1, 1, -1)
    assert refused(group("instances", {"cell": []}), label_file(ids)) == (
        "seg.png holds 70001 different values: this is not a label map"
    )


# ---- grey ----


def test_grey_levels_with_a_tolerance() -> None:
    voxels = np.array([[[0, 3, 120, 128, 136, 250, 255, 60]]], np.uint8)
    of = group("grey", {"nucleus": [255], "cytoplasm": [128], "whole": [128, 255]}, tolerance=8, ignore=(64,))
    assert_covers(
        of,
        {
            "nucleus": np.isin(voxels, [250, 255]),
            "cytoplasm": np.isin(voxels, [120, 128, 136]),
            "whole": voxels >= 120,
        },
        label_file(voxels),
    )
    assert refused(group("grey", {"a": [255]}, tolerance=7), label_file(np.array([[[8, 248, 8, 7]]], np.uint8))) == (
        "seg.png: label values that are not in the recipe (1); add them to `labels` or `ignore`: 8 (2 voxels)"
    )


def test_grey_levels_of_zero() -> None:
    voxels = np.array([[[0, 2, 255, 251]]], np.uint8)
    of = group("grey", {"lumen": [0], "wall": [255]}, tolerance=4)
    assert_covers(of, {"lumen": voxels < 9, "wall": voxels > 9}, label_file(voxels))


def test_grey_looks_at_a_palettes_colours() -> None:
    palette = np.zeros((256, 3), np.uint8)
    palette[1:3] = [[255] * 3, [128] * 3]
    indices = np.array([[[0, 1, 2, 3]]], np.uint8)
    of = group("grey", {"white": [255], "grey": [128]})
    assert_covers(of, {"white": indices == 1, "grey": indices == 2}, label_file(Volume(indices, palette=palette)))


def jpeg(page: NDArray[np.uint8], quality: int = 90) -> NDArray[np.uint8]:
    """Return a page as JPEG leaves it."""
    buffer = io.BytesIO()
    Image.fromarray(page[0]).save(buffer, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(buffer))[np.newaxis]


def test_grey_levels_from_a_jpeg() -> None:
    levels = blocks(0, 128, 255, 128, 0).astype(np.uint8)
    noisy = jpeg(levels)
    assert (noisy != levels).any()
    off = int(np.abs(noisy.astype(int) - levels).max())
    of = group("grey", {"a": [128], "b": [255]}, tolerance=off)
    assert_covers(of, {"a": levels == 128, "b": levels == 255}, label_file(noisy))
    refused(group("grey", {"a": [128], "b": [255]}, tolerance=off - 1), label_file(noisy))


# ---- rgb ----

RED, GREEN, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (255, 255, 255), (0, 0, 0)


def painted(*colours: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.array([[colours]], np.uint8)


def is_colour(page: NDArray[np.uint8], *colours: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.any([(page == colour).all(axis=-1) for colour in colours], axis=0)


def test_colours() -> None:
    page = painted(BLACK, RED, GREEN, WHITE, RED)
    of = group("rgb", {"a": [RED], "b": [GREEN], "both": [RED, GREEN]}, ignore=(WHITE,))
    labels = assert_covers(
        of,
        {"a": is_colour(page, RED), "b": is_colour(page, GREEN), "both": is_colour(page, RED, GREEN)},
        label_file(page),
    )
    assert len(labels.layers) == 2


@pytest.mark.parametrize("ignore", [(), (WHITE,), (BLACK,)])
def test_black_claimed_as_a_label(ignore: tuple[tuple[int, int, int], ...]) -> None:
    page = painted(BLACK, RED, BLACK, *ignore)
    of = group("rgb", {"vessel": [BLACK], "lesion": [RED]}, ignore=ignore)
    assert_covers(of, {"vessel": is_colour(page, BLACK), "lesion": is_colour(page, RED)}, label_file(page))


@settings(max_examples=100)
@given(data=st.data(), tolerance=st.integers(0, 20))
def test_any_colours(data: st.DataObject, tolerance: int) -> None:
    colour = st.tuples(*[st.sampled_from([0, 64, 128, 255])] * 3)
    known = data.draw(st.lists(colour, min_size=1, max_size=5, unique=True))
    regions = data.draw(
        st.lists(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True), min_size=1, max_size=4)
    )
    truth = data.draw(hnp.arrays("int64", (1, 3, 5), elements=st.integers(0, len(known))))
    exact = np.array([*known, (0, 0, 0)], np.int64)[truth]
    noise = data.draw(hnp.arrays("int64", exact.shape, elements=st.integers(-tolerance, tolerance)))
    of = group("rgb", {f"l{n}": values for n, values in enumerate(regions)}, tolerance=tolerance, ignore=tuple(known))
    expected = {f"l{n}": is_colour(exact, *values) for n, values in enumerate(regions)}
    assert_covers(of, expected, label_file(np.clip(exact + noise, 0, 255).astype(np.uint8)))


def test_unknown_colours_are_named_with_their_pixels() -> None:
    page = painted(RED, (1, 2, 3), (1, 2, 3), (254, 0, 0), BLACK)
    assert refused(group("rgb", {"a": [RED]}), label_file(page)) == (
        "seg.png: colours that are not in the recipe (2); add them to `labels` or `ignore`, or set `tolerance` or "
        "`nearest: true`: #010203 (2 pixels), #fe0000 (1 pixels)"
    )
    assert "#010203" in refused(group("rgb", {"a": [RED]}, tolerance=1), label_file(page))


def test_colours_from_a_jpeg() -> None:
    page = blocks(0, 1, 2, 1, 0)
    colours = np.array([BLACK, (240, 20, 30), (30, 40, 220)], np.uint8)[page]
    noisy = jpeg(colours)
    off = int(np.abs(noisy.astype(int) - colours).max())
    assert off > 0
    of = group("rgb", {"a": [(240, 20, 30)], "b": [(30, 40, 220)]}, tolerance=off)
    assert_covers(of, {"a": page == 1, "b": page == 2}, label_file(noisy))


def test_palette_and_grey_images_have_colours_too() -> None:
    palette = np.zeros((256, 3), np.uint8)
    palette[:3] = BLACK, RED, WHITE
    indices = np.array([[[0, 1, 2, 1]]], np.uint8)
    of = group("rgb", {"red": [RED], "white": [WHITE]})
    assert_covers(of, {"red": indices == 1, "white": indices == 2}, label_file(Volume(indices, palette=palette)))
    grey = np.array([[[0, 255, 0, 0]]], np.uint8)
    assert_covers(of, {"red": grey > 255, "white": grey == 255}, label_file(grey))


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_colours_are_8_bit(dtype: str) -> None:
    detail = refused(group("rgb", {"red": [RED]}), label_file(np.full((1, 2, 2, 3), 300, dtype)))
    assert detail == f"seg.png holds {dtype} values: the encoding `rgb` is for 8-bit images"


# ---- threshold, inverted, outline ----


def test_threshold_parts_what_jpeg_left() -> None:
    page = blocks(0, 255, 0, 255, 255).astype(np.uint8)
    for noisy in (jpeg(page, 40), np.stack([jpeg(page, 40)] * 3, axis=-1)):
        assert_covers(group("threshold", {"polyp": []}), {"polyp": page == 255}, label_file(noisy))
        assert_covers(group("inverted", {"background": []}), {"background": page == 0}, label_file(noisy))


def test_threshold_is_where_it_is_said_to_be() -> None:
    voxels = np.array([[[0, 127, 128, 129, 255]]], np.uint8)
    assert_covers(group("threshold", {"a": []}), {"a": voxels >= 128}, label_file(voxels))
    assert_covers(group("threshold", {"a": []}, threshold=129), {"a": voxels >= 129}, label_file(voxels))
    assert_covers(group("inverted", {"a": []}, threshold=129), {"a": voxels < 129}, label_file(voxels))
    scaled = Volume(voxels, slope=1 / 255)
    assert_covers(group("threshold", {"a": []}, threshold=0.5), {"a": voxels >= 128}, label_file(scaled))


def test_threshold_of_a_palette_is_that_of_its_colours() -> None:
    palette = np.zeros((256, 3), np.uint8)
    palette[1] = 255
    indices = np.array([[[0, 1, 2]]], np.uint8)
    assert_covers(group("threshold", {"a": []}), {"a": indices == 1}, label_file(Volume(indices, palette=palette)))


def test_outlines_are_filled_page_by_page() -> None:
    pages = np.zeros((2, 20, 30), np.uint8)
    pages[0, 3:15, 4:20], pages[0, 4:14, 5:19] = 255, 0
    expected = np.zeros(pages.shape, bool)
    expected[0, 3:15, 4:20] = True
    assert_covers(group("outline", {"head": []}), {"head": expected}, label_file(pages))
    pages[0, 8:11, 4] = 0
    assert "seg.png: an outline" in refused(group("outline", {"head": []}), label_file(pages))


# ---- one file a label ----


@settings(max_examples=80)
@given(
    contents=st.integers(1, 5).flatmap(
        lambda n: hnp.arrays("uint8", (n, 1, 4, 5), elements=st.sampled_from([0, 0, 0, 1, 255]))
    )
)
def test_files_that_overlap_keep_every_voxel(contents: NDArray[np.uint8]) -> None:
    words = [f"organ{n}" for n in range(len(contents))]
    labels = {word: [word] for word in words} | {"all": words}
    expected = {word: content > 0 for word, content in zip(words, contents, strict=True)}
    expected["all"] = (contents > 0).any(axis=0)
    files = [label_file(content, word) for word, content in zip(words, contents, strict=True)]
    decoded = decode(group("files", labels), *files)
    of = group("files", labels)
    drawn = masks(of, decoded) if decoded.layers else {}
    for name, mask in drawn.items():
        np.testing.assert_array_equal(mask, expected[name], err_msg=name)
    assert decoded.layers or not contents.any()


def test_files_that_do_not_overlap_share_a_layer() -> None:
    content = np.array([[[1, 2, 3, 4]]], np.uint8)
    words = ["a", "b", "c", "d"]
    files = [label_file((content == n).astype(np.float32), word) for n, word in enumerate(words, start=1)]
    of = group("files", {word: [word] for word in words})
    labels = assert_covers(of, {word: content == n for n, word in enumerate(words, start=1)}, *files)
    assert len(labels.layers) == 1


def test_files_of_unknown_words_are_not_read() -> None:
    def read() -> Volume:
        raise AssertionError("read")

    content = np.array([[[0, 1]]], np.uint8)
    of = group("files", {"liver": ["liver"]})
    assert_covers(
        of,
        {"liver": content == 1},
        label_file(content, "liver"),
        MadeFile("spleen", FileInput(Path("source"), "spleen.png"), content=read),
    )


def test_files_with_a_threshold() -> None:
    content = np.array([[[0, 100, 200]]], np.uint8)
    of = group("files", {"gm": ["gm"]}, threshold=128)
    assert_covers(of, {"gm": content == 200}, label_file(content, "gm"))
    assert_covers(group("files", {"gm": ["gm"]}), {"gm": content > 0}, label_file(content, "gm"))


# ---- one file an instance ----


@settings(max_examples=60)
@given(hnp.arrays("bool", st.tuples(st.integers(1, 6), st.just(1), st.integers(2, 6), st.integers(2, 6))))
def test_every_instance_file_is_an_instance(contents: NDArray[np.bool_]) -> None:
    assume(contents.any())
    files = [label_file(content.astype(np.uint8) * 255, str(n)) for n, content in enumerate(contents)]
    layers = decode(group("instance_files", {"nucleus": []}), *files).layers
    found = {}
    for layer in layers:
        assert layer.by_value
        for value in np.unique(layer.voxels[layer.voxels > 0]).tolist():
            assert layer.classes[value] == 1
            assert value not in found
            found[value] = layer.voxels == value
    for number, content in enumerate(contents, start=1):
        np.testing.assert_array_equal(found.get(number, np.zeros_like(content)), content)


def test_touching_instance_files_stay_apart_and_overlapping_ones_stay_whole() -> None:
    contents = np.zeros((3, 1, 6, 12), np.uint8)
    contents[0, 0, 1:5, 1:4] = contents[1, 0, 1:5, 4:8] = contents[2, 0, 2:6, 6:11] = 255
    layers = decode(group("instance_files", {"cell": []}), *[label_file(one) for one in contents]).layers
    assert len(layers) == 2
    found = [mask for layer in layers for mask in find_masks(layer.voxels[0], layer.classes, layer.by_value, 0.0)[0]]
    assert sorted((mask.x0, mask.x1, mask.area) for mask in found) == [(1, 4, 12), (4, 8, 16), (6, 11, 20)]


# ---- on the image's grid ----


def test_labels_are_brought_to_the_image() -> None:
    ids = np.random.default_rng(1).integers(0, 3, (4, 5, 6)).astype(np.uint8)
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    flipped = affine.copy()
    flipped[0, 0], flipped[0, 3] = -1.0, 5.0
    image = Volume(np.zeros(ids.shape, np.int16), affine)
    mirrored = Volume(np.ascontiguousarray(ids[:, :, ::-1]), flipped)
    for of, files in (
        (group("ids", {"a": [1], "b": [2]}), [label_file(mirrored)]),
        (
            group("files", {"a": ["a"], "b": ["b"]}),
            [
                label_file(Volume((mirrored.voxels == n).view(np.uint8), flipped), word)
                for n, word in ((1, "a"), (2, "b"))
            ],
        ),
    ):
        labels = decode(of, *files, image=image)
        assert labels.resampled
        drawn = masks(of, labels)
        np.testing.assert_array_equal(drawn["a"], ids == 1)
        np.testing.assert_array_equal(drawn["b"], ids == 2)
    of = group("ids", {"a": [1], "b": [2]}, geometry="index")
    labels = decode(of, label_file(mirrored), image=image)
    assert not labels.resampled
    np.testing.assert_array_equal(masks(of, labels)["a"], mirrored.voxels == 1)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_label_of_another_size_is_refused(encoding: str) -> None:
    of = group(encoding, {"a": ["a"] if encoding == "files" else []})
    with pytest.raises(CaseError, match=r"the image has 5 x 4 x 1 voxels and the label seg\.png 4 x 4 x 1") as caught:
        read_labels(of, [label_file(np.zeros((1, 4, 4), np.uint8), "a")], Volume(np.zeros((1, 4, 5), np.uint8)))
    assert caught.value.reason is Reason.GEOMETRY


def test_what_a_reader_says_is_passed_on() -> None:
    def read() -> Volume:
        raise CaseError(Reason.UNREADABLE, "seg.png cannot be read")

    with pytest.raises(CaseError, match=r"seg\.png cannot be read"):
        read_labels(
            group("ids", {"a": [1]}),
            [made("", read)],
            Volume(np.zeros((1, 2, 2))),
        )
