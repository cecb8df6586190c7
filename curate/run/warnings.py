"""warnings.parquet: what a user should look at, a row each."""

from pathlib import Path

import pyarrow as pa

from catalog.tables import table_writer
from curate.ledger.fragments import datasets, fragments, read_result

FILE = "warnings.parquet"
SCHEMA = pa.schema([("dataset", pa.string()), ("case", pa.string()), ("code", pa.string()), ("warning", pa.string())])


def write_warnings(out: Path) -> None:
    """Write the warnings of all finished cases of the corpus; no file where there are none."""
    rows = [
        {"dataset": dataset, "case": key.case, "code": one.code, "warning": one.text}
        for dataset in datasets(out)
        for key, path in fragments(out, dataset)
        if (result := read_result(path)) is not None
        for one in result.warnings
    ]
    path = out / FILE
    if not rows:
        path.unlink(missing_ok=True)
        return
    with table_writer(path, SCHEMA) as writer:
        writer.write(pa.Table.from_pylist(rows, schema=SCHEMA))
