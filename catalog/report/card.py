"""README.md of a corpus: a dataset card, with which Hugging Face `load_dataset` loads catalog and images.

`datasets` reads all configs of a card with one kind of reader, chosen by the first one. A corpus of image files is read
as a folder of images: one config, whose metadata.parquet has all columns of the catalog. Any other is read as Parquet.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from catalog.atomic import read_json, write_atomic
from catalog.corpus import Corpus
from catalog.report.image_index import FILE as INDEX_FILE
from catalog.report.image_index import write_image_index
from catalog.stores.base import HubConfig
from catalog.stores.registry import StoreRecord, store_of_path, store_records
from catalog.tables import CATALOG_FILE, DROPS_FILE

FILE = "README.md"
RUN_FILE = "run.json"

_MARK = re.compile(r"<!-- medcorpus card ([0-9a-f]{16}): .* -->\n")
_HUB_LICENSES = {
    "apache-2.0", "bsd-3-clause", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "mit", "odbl", "pddl",
}  # fmt: skip
"""The SPDX ids of open licences that the Hub knows, in its spelling."""
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


def write_card(root: Path) -> bool:
    """Write the card of the corpus at `root`; return False if there is one that a user has written or edited.

    Raises:
        CatalogError: There is no corpus at `root`.
        OutputError: A file cannot be written.
    """
    corpus = Corpus.open(root)
    datasets = _datasets(root)
    record = _hub_store(corpus, datasets)
    hub = record.hub if record is not None else None
    if record is not None and hub is not None and hub.listed:
        write_image_index(corpus, record.suffix)
    else:
        (root / INDEX_FILE).unlink(missing_ok=True)
    path = root / FILE
    if path.exists() and not _is_ours(path.read_text("utf-8", errors="replace")):
        return False
    text = _card(datasets, hub, has_drops=any(len(batch) for batch in corpus.drop_batches(["reason"])))
    write_atomic(path, _marked(text).encode())
    return True


def _datasets(root: Path) -> dict[str, Any]:
    """Return what run.json says of each data set; nothing if it is missing or damaged."""
    content = read_json(root / RUN_FILE, {}, damaged={})
    return dict(content.get("datasets", {})) if isinstance(content, dict) else {}


def _hub_store(corpus: Corpus, datasets: Mapping[str, Any]) -> StoreRecord | None:
    """Return the store whose images the card is about: of several, the one that takes no listing."""
    used = {facts.get("store") for facts in datasets.values()}
    if not datasets:
        batch = next(corpus.batches(["image"], size=1), None)
        used = {store_of_path(batch["image"][0].as_py()).name} if batch else set()
    records = [record for record in store_records() if record.name in used and record.hub is not None]
    return min(records, key=lambda record: record.hub is not None and record.hub.listed, default=None)


def _is_ours(text: str) -> bool:
    """Return whether a card is as we wrote it."""
    mark = _MARK.search(text)
    return mark is not None and _digest(text.replace(mark[0], "", 1)) == mark[1]


def _marked(text: str) -> str:
    """Return the card with the mark that tells whether it was edited."""
    head, _, body = text.partition("\n---\n\n")
    mark = f"<!-- medcorpus card {_digest(text)}: every run renews this file until you edit it -->"
    return f"{head}\n---\n\n{mark}\n{body}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _card(datasets: Mapping[str, Any], hub: HubConfig | None, has_drops: bool) -> str:
    lines = ["---", *_front_matter(datasets, hub, has_drops), "---", "", *_body(datasets, hub)]
    return "\n".join(lines) + "\n"


def _front_matter(datasets: Mapping[str, Any], hub: HubConfig | None, has_drops: bool) -> Iterator[str]:
    yield from _license(datasets)
    yield "task_categories: [image-segmentation, mask-generation]"
    yield "tags: [medical]"
    images = sum(facts.get("images", 0) for facts in datasets.values())
    if images:
        yield f"size_categories: ['{next((name for limit, name in _SIZES if images < limit), 'n>10M')}']"
    yield "configs:"
    if hub is not None:
        yield "- config_name: images"
        yield "  default: true"
        yield "  data_files:"
        yield from (f"  - '{pattern}'" for pattern in hub.data_files)
    if hub is None or not hub.listed:
        yield "- config_name: catalog"
        if hub is None:
            yield "  default: true"
        yield f"  data_files: {CATALOG_FILE}"
        if has_drops:
            yield "- config_name: drops"
            yield f"  data_files: {DROPS_FILE}"
    if hub is not None and hub.features:
        yield "dataset_info:"
        yield "- config_name: images"
        yield "  features:"
        for name, kind in hub.features:
            yield f"  - name: {name}"
            yield f"    {kind}"


def _license(datasets: Mapping[str, Any]) -> Iterator[str]:
    names = sorted({(facts.get("license") or {}).get("name") or "unknown" for facts in datasets.values()})
    known = names[0].lower() if len(names) == 1 else ""
    if known in _HUB_LICENSES:
        yield f"license: {known}"
    else:
        yield "license: other"
        yield f"license_name: {_quoted(', '.join(names) or 'unknown')}"


def _body(datasets: Mapping[str, Any], hub: HubConfig | None) -> Iterator[str]:
    yield "# A corpus of medical images and masks"
    yield ""
    yield "8-bit slices and one binary mask for each connected component, made by medcorpus."
    yield ""
    if datasets:
        yield "| data set | title | images | masks | license |"
        yield "| --- | --- | ---: | ---: | --- |"
        for name, facts in sorted(datasets.items()):
            license_name = (facts.get("license") or {}).get("name") or "unknown"
            title, images, masks = facts.get("title") or "", facts.get("images", 0), facts.get("masks", 0)
            yield f"| {name} | {_cell(title)} | {images:,} | {masks:,} | {_cell(license_name)} |"
        yield ""
        yield "Each data set keeps its own license; the columns `license` and `redistributable` state it for each mask."
        yield ""
    yield "## Load it"
    yield ""
    yield "```python"
    yield "import catalog  # pip install medcorpus"
    yield ""
    yield 'corpus = catalog.open(".")'
    yield "table = corpus.to_pandas(where=\"modality = 'CT' and area > 500\")"
    yield "for image in corpus.images():"
    yield "    print(image.name, image.pixels.shape, image.masks.shape)"
    yield "```"
    yield ""
    yield "With Hugging Face `datasets`:"
    yield ""
    yield "```python"
    yield "from datasets import load_dataset"
    yield ""
    if hub is None:
        yield 'rows = load_dataset(".", split="train")  # one row a mask; `datasets` cannot read these images'
    elif hub.listed:
        yield 'images = load_dataset(".", split="train")  # image, masks, and all columns of the catalog'
        yield f'rows = load_dataset("parquet", data_files="{CATALOG_FILE}", split="train")  # one row a mask'
    else:
        yield 'images = load_dataset(".", split="train")  # image and masks'
        yield 'rows = load_dataset(".", "catalog", split="train")  # one row a mask'
    yield "```"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
