"""Names in place of ids: keyed hashes, so that nothing in a corpus leads back to a patient without the key.

The hash is HMAC-SHA256 (RFC 2104) of an id under the user's salt. Without a salt it hides ids from the eye, but whoever
has a list of ids can recompute it.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from catalog.atomic import write_atomic
from curate.errors import RunError

DIGITS = 16
_CHECK_ROUNDS = 100_000
_CHECK_FILE = "salt.json"


@dataclass(frozen=True)
class Pseudonyms:
    """Hashes ids under a salt."""

    salt: str = ""

    def of(self, kind: str, original: str) -> str:
        """Return the pseudonym of an id; ids of different kinds never share one."""
        message = f"{kind}\0{original}".encode()
        return hmac.new(self.salt.encode(), message, hashlib.sha256).hexdigest()[:DIGITS]


def refuse_other_salt(folder: Path, salt: str) -> None:
    """Raise RunError where the data set's state folder was begun with another salt; note this one where it was not.

    Two salts in one data set would give each series two names. What is noted is a slow hash of the salt, from which it
    cannot be found.
    """
    path = folder / _CHECK_FILE
    check = hashlib.pbkdf2_hmac("sha256", salt.encode(), b"medcorpus", _CHECK_ROUNDS).hex()
    try:
        before = json.loads(path.read_text("utf-8")).get("check")
    except (OSError, ValueError, AttributeError):
        before = None
    if before not in (None, check):
        raise RunError(
            "this data set was curated with another salt: pass the same --salt (or MEDCORPUS_SALT) again, or write to "
            "another --out"
        )
    if before is None:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps({"check": check}).encode())


def write_map(path: Path, out: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write which pseudonyms stand for what as CSV; raises RunError for a path inside the corpus at `out`."""
    import csv
    import io

    if path.resolve().is_relative_to(out.resolve()):
        raise RunError(f"--map {path} is inside the corpus, which must not hold ids of patients; choose another place")
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["case"])
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())
