import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from catalog.images import codes, distinct, distinct_pairs, numbered, packed

numbers = st.lists(st.integers(0, 6), max_size=30).map(lambda values: np.array(values, np.int64))


@given(st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=20), st.booleans())
def test_codes_lead_back_to_the_values(values, encoded):
    array = pa.array(values, pa.string())
    code, named = codes(pa.chunked_array([array.dictionary_encode() if encoded else array]))
    assert [[*named.to_pylist(), None][i] for i in code] == values


@given(numbers)
def test_distinct_is_the_sorted_set(key):
    assert distinct(key).tolist() == sorted(set(key.tolist()))


@given(numbers)
def test_numbered_tells_apart_what_differs(key):
    number = numbered(key)
    assert sorted(set(number.tolist())) == list(range(len(set(key.tolist()))))
    assert len(set(zip(key.tolist(), number.tolist(), strict=True))) == len(set(key.tolist()))


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 4), min_size=1, max_size=20), st.sampled_from([7, 2**31]))
def test_packed_numbers_are_equal_where_all_columns_are(rows, end):
    key = packed([(column, end) for column in np.array(rows, np.int64).T])
    assert key.dtype == np.int64
    assert len(set(key.tolist())) == len(set(rows)) == len(set(zip(key.tolist(), rows, strict=True)))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=20))
def test_distinct_pairs(pairs):
    table = pa.table(
        {"first": pa.array([a for a, _ in pairs], pa.string()), "b": pa.array([b for _, b in pairs], pa.string())}
    )
    found = distinct_pairs(table, ("first", "b"))
    assert len(found) == len(set(pairs))
    assert {(row["first"], row["b"]) for row in found.to_pylist()} == set(pairs)
