import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.corpus import Corpus
from catalog.errors import CatalogError
from catalog.schema import CATALOG_SCHEMA, VERSION_KEY


def test_a_corpus_is_a_folder_or_its_catalog(tmp_path, write_corpus):
    write_corpus(tmp_path, [{"instance": 0}, {"instance": 1}], drops=[])
    for path in (tmp_path, str(tmp_path), tmp_path / "catalog.parquet"):
        corpus = Corpus.open(path)
        assert corpus.rows == 2
        assert corpus.root == tmp_path
        assert corpus.drops == tmp_path / "drops.parquet"


def test_a_catalog_may_lie_alone(tmp_path, write_corpus):
    corpus = Corpus.open(write_corpus(tmp_path, [{}]))
    assert corpus.drops is None
    assert list(corpus.drop_batches(["reason"])) == []


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(CatalogError, match=r"nowhere does not exist. Give a corpus folder"):
        Corpus.open(tmp_path / "nowhere")
    with pytest.raises(CatalogError, match=r"is not a corpus: it has no catalog\.parquet; it is empty"):
        Corpus.open(tmp_path)
    for name in "abcdefg":
        (tmp_path / name).touch()
    with pytest.raises(CatalogError, match=r"it holds a, b, c, d, e and 2 more"):
        Corpus.open(tmp_path)


def test_other_files_are_refused(tmp_path, write_corpus):
    path = tmp_path / "catalog.parquet"
    path.write_bytes(b"PAR1 but no more than that")
    with pytest.raises(CatalogError, match="is not a Parquet file"):
        Corpus.open(tmp_path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(CatalogError, match="has no schema version"):
        Corpus.open(tmp_path)
    pq.write_table(CATALOG_SCHEMA.with_metadata({VERSION_KEY: b"99"}).empty_table(), path)
    with pytest.raises(CatalogError, match="schema version 99, but this medcorpus reads version 1"):
        Corpus.open(tmp_path)
    pq.write_table(CATALOG_SCHEMA.empty_table().drop_columns(["label", "axis"]), path)
    with pytest.raises(CatalogError, match="lacks the columns axis, label"):
        Corpus.open(tmp_path)
    write_corpus(tmp_path, [{}], drops=[])
    pq.write_table(pa.table({"reason": ["small"]}), tmp_path / "drops.parquet")
    with pytest.raises(CatalogError, match=r"drops\.parquet is a Parquet file, but not of a corpus"):
        list(Corpus.open(tmp_path).drop_batches(["reason"]))


def test_batches_keep_order_columns_and_size(tmp_path, write_corpus):
    corpus = Corpus.open(write_corpus(tmp_path, [{"case": f"{i:03d}", "slice": i} for i in range(20)]))
    batches = list(corpus.batches(["slice", "case"], size=2))
    assert {tuple(batch.schema.names) for batch in batches} == {("slice", "case")}
    assert max(len(batch) for batch in batches) == 2
    assert [row["slice"] for batch in batches for row in batch.to_pylist()] == list(range(20))


def test_batches_filter_by_any_column(tmp_path, write_corpus):
    corpus = Corpus.open(write_corpus(tmp_path, [{"case": f"{i:03d}", "area_fraction": i / 20} for i in range(20)]))
    where = (pc.field("case") >= "010") & (pc.field("area_fraction") < 0.6)
    rows = [row for batch in corpus.batches(["case"], where) for row in batch.to_pylist()]
    assert rows == [{"case": "010"}, {"case": "011"}]


def test_an_unknown_column_is_named_with_the_nearest(tmp_path, write_corpus):
    corpus = Corpus.open(write_corpus(tmp_path, [{}]))
    with pytest.raises(CatalogError, match="no column 'lable'; did you mean 'label'"):
        corpus.batches(["lable"])


cases = st.lists(st.tuples(st.sampled_from("ABÄ"), st.sampled_from(["1", "10", "2", "é"])), max_size=40)


@given(cases=cases, group=st.integers(1, 9), rows=st.integers(1, 12))
def test_whole_cases_are_whole_and_complete(tmp_path_factory, write_corpus, cases, group, rows):
    folder = tmp_path_factory.mktemp("corpus")
    written = [{"dataset": dataset, "case": case, "slice": i} for i, (dataset, case) in enumerate(sorted(cases))]
    corpus = Corpus.open(write_corpus(folder, written, row_group_size=group))
    tables = list(corpus.whole_cases(["slice"], rows=rows))
    assert [row for table in tables for row in table.to_pylist()] == written
    seen = [{(row["dataset"], row["case"]) for row in table.to_pylist()} for table in tables]
    assert sum(map(len, seen)) == len(set(cases))
    assert all(len(table) >= rows for table in tables[:-1])


@pytest.mark.parametrize("order", [["2", "1"], ["1", "1", "2", "2", "1"], ["1", "2", "3", "4", "5", "6", "3"]])
@pytest.mark.parametrize("column", ["dataset", "case"])
def test_an_unsorted_catalog_is_refused(tmp_path, write_corpus, order, column):
    corpus = Corpus.open(write_corpus(tmp_path, [{column: value} for value in order]))
    with pytest.raises(CatalogError, match=r"is not sorted by dataset and case.* comes after"):
        list(corpus.whole_cases([]))
