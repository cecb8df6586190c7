from collections import Counter

import pytest

from catalog.corpus import Corpus
from catalog.report.sample import sample_images

SOURCES = {"A": ("CT", (None,), "xyz"), "B": ("MR", ("t1", "t2"), "xz"), "C": ("X-ray", (None,), (None,))}


def rows(sources=SOURCES, cases=5, slices=10):
    """Cases of some data sets; the foreground of a volume grows with the slice's index."""
    made = []
    for dataset, (modality, sequences, axes) in sources.items():
        for case in range(cases):
            for axis in axes:
                for index in range(slices) if axis else [None]:
                    for number, label in enumerate(["liver", "kidney"]):
                        for sequence in sequences:
                            name = f"{modality}-{sequence}-{dataset}-{case}-{axis}-{index}"
                            made.append(
                                {
                                    "image": name,
                                    "mask": f"{name}-{label}",
                                    "dataset": dataset,
                                    "case": f"{case}",
                                    "modality": modality,
                                    "sequence": sequence,
                                    "axis": axis,
                                    "slice": index,
                                    "label": label,
                                    "label_id": number,
                                    "area_fraction": 0.01 * (1 + (index or 0)),
                                }
                            )
    return made


@pytest.fixture
def corpus(tmp_path, write_corpus):
    return Corpus.open(write_corpus(tmp_path, rows(), row_group_size=50))


def test_data_sets_modalities_and_axes_take_turns(corpus):
    keys = [image.key for image in sample_images(corpus, 12)]
    assert Counter(key.dataset for key in keys) == {"A": 4, "B": 4, "C": 4}
    assert sorted(Counter(key.axis for key in keys if key.dataset == "A").values()) == [1, 1, 2]
    assert Counter((key.sequence, key.axis) for key in keys if key.dataset == "B") == {
        (sequence, axis): 1 for sequence in ("t1", "t2") for axis in "xz"
    }
    assert len({key.case for key in keys if key.dataset == "C"}) == 4


def test_every_case_is_seen_once_before_any_is_seen_twice(tmp_path, write_corpus):
    volumes = {"A": ("CT", (None,), "z")}
    corpus = Corpus.open(write_corpus(tmp_path, rows(volumes), row_group_size=17))
    for count in (3, 5, 12):
        cases = Counter(image.key.case for image in sample_images(corpus, count, seed=count))
        assert len(cases) == min(count, 5)
        assert max(cases.values()) - min(cases.values()) <= 1


def test_slices_come_from_the_upper_half_but_not_the_top(tmp_path, write_corpus):
    volumes = {"A": ("CT", (None,), "xyz")}
    corpus = Corpus.open(write_corpus(tmp_path, rows(volumes, slices=20), row_group_size=100))
    chosen = {image.key.slice for seed in range(20) for image in sample_images(corpus, 15, seed)}
    assert chosen == set(range(10, 19))


def test_an_image_comes_with_its_masks_and_places(corpus):
    for image in sample_images(corpus, 12):
        key = image.key
        assert image.image == f"{key.modality}-{key.sequence}-{key.dataset}-{key.case}-{key.axis}-{key.slice}"
        assert [(one.label, one.mask) for one in image.masks] == [
            (label, f"{image.image}-{label}") for label in ("liver", "kidney")
        ]
        assert image.spacing is None


def test_the_seed_decides(corpus):
    assert sample_images(corpus, 9, seed=1) == sample_images(corpus, 9, seed=1)
    assert sample_images(corpus, 9, seed=1) != sample_images(corpus, 9, seed=2)


def test_the_layout_of_the_file_does_not_matter(tmp_path, corpus, write_corpus, monkeypatch):
    expected = sample_images(corpus, 9)
    (tmp_path / "other").mkdir()
    other = Corpus.open(write_corpus(tmp_path / "other", rows(), row_group_size=7))
    whole_cases = Corpus.whole_cases
    monkeypatch.setattr(Corpus, "whole_cases", lambda self, columns: whole_cases(self, columns, rows=10))
    assert sample_images(other, 9) == expected


def test_no_more_than_there_are(tmp_path, write_corpus):
    few = rows({"A": ("CT", (None,), "z")}, cases=2, slices=3)
    empty = {"dataset": "B", "mask": None, "label": None, "area_fraction": None}
    images = sample_images(Corpus.open(write_corpus(tmp_path, [*few, empty])), 100)
    assert len(images) == len({image.key for image in images}) == 6
    assert {image.key.dataset for image in images} == {"A"}


def test_images_without_masks_are_no_sample(tmp_path, write_corpus):
    empty = {"mask": None, "label": None, "area_fraction": None}
    assert sample_images(Corpus.open(write_corpus(tmp_path, [empty])), 5) == []
    assert sample_images(Corpus.open(write_corpus(tmp_path, [])), 5) == []


def test_few_tiles_show_different_modalities(tmp_path, write_corpus):
    sources = {f"CT{i:02d}": ("CT", (None,), "z") for i in range(20)} | {"M": ("MR", (None,), "z")}
    corpus = Corpus.open(write_corpus(tmp_path, rows(sources, cases=1), row_group_size=1000))
    for seed in range(5):
        assert {image.key.modality for image in sample_images(corpus, 2, seed)} == {"CT", "MR"}


def test_spacing_is_told_where_both_are_known(tmp_path, write_corpus):
    known = {"spacing_row": 2.0, "spacing_col": 0.5}
    corpus = Corpus.open(write_corpus(tmp_path, [{"case": "1"} | known, {"case": "2", "spacing_row": 2.0}]))
    assert {image.key.case: image.spacing for image in sample_images(corpus, 2)} == {"1": (2.0, 0.5), "2": None}
