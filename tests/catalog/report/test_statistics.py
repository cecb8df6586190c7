from collections import Counter, defaultdict
from functools import partialmethod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import catalog.report.statistics
from catalog.corpus import Corpus
from catalog.drop_reasons import Reason
from catalog.errors import CatalogError
from catalog.report.statistics import (
    AREA_EDGES,
    IMAGE_REASONS,
    LONG_EDGES,
    MASK_REASONS,
    Count,
    Histogram,
    corpus_statistics,
)

IMAGE = ("dataset", "case", "modality", "sequence", "axis", "slice")


def count(folder, by=()):
    return corpus_statistics(Corpus.open(folder), by)


@st.composite
def images(draw):
    """The rows of one image: its masks, or one row without a mask."""
    plane = draw(st.sampled_from([(None, None), ("x", 1), ("x", 2), ("z", 1)]))
    image = {
        "dataset": draw(st.sampled_from("AB")),
        "case": draw(st.sampled_from("123")),
        "modality": draw(st.sampled_from(["CT", "MR"])),
        "sequence": draw(st.sampled_from([None, "t1", "t2"])),
        "axis": plane[0],
        "slice": plane[1],
        "height": draw(st.sampled_from([40, 64, 500])),
        "width": draw(st.sampled_from([63, 64, 5000])),
    }
    mask = st.fixed_dictionaries(
        {
            "label": st.sampled_from(["liver", "kidney", "cyst"]),
            "anatomy": st.sampled_from([None, "abdomen", "lesion"]),
            "area_fraction": st.sampled_from([1e-5, 0.00153, 0.02, 0.5, 0.999]),
            "instance": st.integers(0, 3),
        }
    )
    empty = {"mask": None, "label": None, "label_id": None, "instance": None, "area": None, "area_fraction": None}
    masks = draw(st.lists(mask, max_size=4)) or [empty | {"anatomy": "abdomen"}]
    return [image | one | {"patient": f"patient {'122'[int(image['case']) - 1]}"} for one in masks]


@st.composite
def catalogs(draw):
    """Rows sorted by data set and case, in any order within a case; no two images of one name."""
    unique = {tuple(rows[0][name] for name in IMAGE): rows for rows in draw(st.lists(images(), max_size=12))}
    rows = draw(st.permutations([row for rows in unique.values() for row in rows]))
    return sorted(rows, key=lambda row: (row["dataset"], row["case"]))


drops = st.lists(
    st.fixed_dictionaries(
        {
            "dataset": st.sampled_from("ABC"),
            "case": st.sampled_from("1234"),
            "reason": st.sampled_from(
                [Reason.SMALL, Reason.VANISHES, Reason.NO_MASK, Reason.ASPECT, Reason.GEOMETRY, Reason.EXCLUDED]
            ).map(str),
        }
    ),
    max_size=15,
)


@settings(max_examples=60)
@given(rows=catalogs(), drops=drops, chunk=st.integers(1, 30))
def test_every_count_equals_a_plain_recount(tmp_path_factory, write_corpus, rows, drops, chunk):
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), rows, drops)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Corpus, "whole_cases", partialmethod(Corpus.whole_cases, rows=chunk))
        found = count(folder, by=["sequence", "instance", "height"])

    def key(row):
        return tuple(row[name] for name in IMAGE)

    masks = [row for row in rows if row["label"] is not None]
    kept = {(row["dataset"], row["case"]) for row in rows}
    assert found.images == len({key(row) for row in rows})
    assert found.masks == len(masks)
    assert found.cases == len(kept)
    assert found.patients == len({(row["dataset"], row["patient"]) for row in rows})
    assert found.datasets == len({row["dataset"] for row in rows})

    for column in ("modality", "label", "dataset", "anatomy", "axis", "sequence", "instance", "height"):
        groups = defaultdict(lambda: (set(), []))
        for row in rows:
            if row["label"] is None and column in ("label", "instance"):
                continue
            value = ("2d" if column == "axis" else "none") if row[column] is None else str(row[column])
            groups[value][0].add(key(row))
            groups[value][1].extend([1] * (row["label"] is not None))
        assert found.by[column] == {name: (len(seen), len(ones)) for name, (seen, ones) in groups.items()}
        assert list(found.by[column].values()) == sorted(
            found.by[column].values(), key=lambda one: (one.masks, one.images), reverse=True
        )

    area = np.histogram(
        np.array([row["area_fraction"] for row in masks], np.float32), np.array([*AREA_EDGES, 2], np.float32)
    )
    assert list(found.area_fraction.counts) == area[0].tolist()
    edges = {key(row): max(row["height"], row["width"]) for row in rows}
    assert list(found.long_edge.counts) == np.histogram(list(edges.values()), [*LONG_EDGES, 10**9])[0].tolist()

    reasons = Counter(drop["reason"] for drop in drops)
    assert found.drops == reasons
    gone = {(drop["dataset"], drop["case"]) for drop in drops} - kept
    given_reasons = {
        case: sorted({d["reason"] for d in drops if (d["dataset"], d["case"]) == case} - MASK_REASONS - IMAGE_REASONS)
        for case in gone
    }
    assert found.funnel["cases"].kept == len(kept)
    assert found.funnel["cases"].seen == len(kept | gone)
    assert found.funnel["cases"].dropped == Counter(
        names[0] if names else "nothing_kept" for names in given_reasons.values()
    )
    for stage, of_stage in (("images", IMAGE_REASONS), ("masks", MASK_REASONS)):
        assert found.funnel[stage].dropped == {name: n for name, n in reasons.items() if name in of_stage}


def test_json_has_the_promised_shape(tmp_path, write_corpus):
    folder = write_corpus(
        tmp_path,
        [{"instance": 0}, {"instance": 1}, {"label": "cyst", "anatomy": "lesion"}],
        drops=[{"dataset": "A", "case": "1", "reason": "small"}, {"dataset": "A", "case": "2", "reason": "geometry"}],
    )
    found = count(folder).to_json()
    assert list(found)[:7] == ["images", "masks", "cases", "patients", "datasets", "by", "drops"]
    assert list(found["by"]) == ["modality", "label", "dataset", "anatomy", "axis"]
    assert found["by"]["label"] == {"liver": {"images": 1, "masks": 2}, "cyst": {"images": 1, "masks": 1}}
    assert found["by"]["axis"] == {"x": {"images": 1, "masks": 3}}
    assert found["drops"] == {"geometry": 1, "small": 1}
    assert found["funnel"] == {
        "cases": {"seen": 2, "kept": 1, "dropped": {"geometry": 1}},
        "images": {"seen": 1, "kept": 1, "dropped": {}},
        "masks": {"seen": 4, "kept": 3, "dropped": {"small": 1}},
    }
    assert found["long_tail"] == {
        "labels": 2,
        "fewer_masks_than": {"10": 2, "100": 2, "1000": 2, "10000": 2, "100000": 2},
    }
    assert sum(found["area_fraction"]["masks"]) == 3
    assert found["long_edge"]["images"] == [0, 0, 0, 0, 1, 0, 0, 0]


def test_the_long_tail_counts_labels_below(tmp_path, write_corpus):
    sizes = {"nine": 9, "ten": 10, "ninety-nine": 99, "hundred": 100}
    rows = [{"label": name, "instance": i} for name, size in sizes.items() for i in range(size)]
    tail = count(write_corpus(tmp_path, rows, row_group_size=1000)).long_tail()
    assert tail == {10: 1, 100: 3, 1_000: 4, 10_000: 4, 100_000: 4}


def test_a_catalog_alone_has_no_funnel(tmp_path, write_corpus):
    found = count(write_corpus(tmp_path, [{}]))
    assert found.drops == {}
    assert found.funnel == {}


def test_a_corpus_may_be_empty(tmp_path, write_corpus):
    found = count(write_corpus(tmp_path, [], drops=[{"dataset": "A", "case": "1", "reason": "no_mask"}]))
    assert (found.images, found.masks, found.cases, found.patients, found.datasets) == (0, 0, 0, 0, 0)
    assert found.by["label"] == {}
    assert found.funnel["cases"].dropped == {"nothing_kept": 1}


def test_rows_for_csv(tmp_path, write_corpus):
    rows = list(count(write_corpus(tmp_path, [{}, {"instance": 1}]), by=["license"]).to_rows())
    assert rows[:2] == [("total", "total", 1, 2), ("modality", "CT", 1, 2)]
    assert rows[-1] == ("license", "none", 1, 2)


def test_by_refuses_unknown_columns_and_too_many_groups(tmp_path, write_corpus, monkeypatch):
    folder = write_corpus(tmp_path, [{"slice": i} for i in range(4)])
    with pytest.raises(CatalogError, match="no column 'anatomie'; did you mean 'anatomy'"):
        count(folder, by=["anatomie"])
    monkeypatch.setattr(catalog.report.statistics, "GROUP_LIMIT", 3)
    with pytest.raises(CatalogError, match="'slice' has more than 3 different values"):
        count(folder, by=["slice"])


def test_a_histogram_can_be_made_coarser():
    fine = Histogram((0, 1, 2, 5), (1, 10, 100, 1000))
    assert fine.merged((0, 2)) == Histogram((0, 2), (11, 1100))
    assert fine.merged(fine.edges) == fine


def test_counts_read_by_name():
    assert Count(images=1, masks=2)._asdict() == {"images": 1, "masks": 2}
