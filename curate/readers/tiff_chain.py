"""The chain of pages in a TIFF file, walked before tifffile does: it would follow a circle without end."""

import struct
from pathlib import Path

_MOST_TAGS = 4096
_MOST_PAGES = 1 << 20


def check_chain(path: Path) -> None:
    """Raise ValueError or EOFError where the chain runs in a circle, leaves the file, or names impossible pages."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(16)
        order = "<" if start[:2] == b"II" else ">"
        big = struct.unpack(f"{order}H", start[2:4])[0] == 43
        count, entry, link, at = ("Q", 20, "Q", 8) if big else ("H", 12, "I", 4)
        wide, narrow = struct.calcsize(f"{order}{link}"), struct.calcsize(f"{order}{count}")
        if len(start) < at + wide:
            raise EOFError("the file ends inside its header")
        (offset,) = struct.unpack(f"{order}{link}", start[at : at + wide])
        pages: set[int] = set()
        while offset or not pages:
            if offset in pages:
                raise ValueError("its chain of pages runs in a circle")
            pages.add(offset)
            if len(pages) > _MOST_PAGES:
                raise ValueError(f"it has more than {_MOST_PAGES} pages")
            file.seek(offset)
            head = file.read(narrow)
            tags = struct.unpack(f"{order}{count}", head)[0] if len(head) == narrow else 0
            if tags > _MOST_TAGS:
                raise ValueError(f"page {len(pages)} has {tags} tags; it is damaged")
            file.seek(offset + narrow + tags * entry)
            tail = file.read(wide)
            if not offset or not tags or len(tail) < wide or offset > size:
                raise EOFError(f"the file ends before page {len(pages)}")
            (offset,) = struct.unpack(f"{order}{link}", tail)
