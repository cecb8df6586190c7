"""The dataset card, read as YAML and by Hugging Face `datasets` itself."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

import catalog
from catalog.report.card import write_card
from catalog.report.image_index import FILE as INDEX_FILE
from catalog.stores.registry import store_names
from curate.run.plan import Options
from curate.run.run import run
from tests.catalog.conftest import WriteCorpus
from tests.curate.corpora import make_source, recipe


@pytest.fixture(scope="module", params=store_names())
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> catalog.Corpus:
    folder = tmp_path_factory.mktemp("card")
    options = Options(store=request.param, memory=2 << 30)
    run(recipe(), make_source(folder / "source", 2), folder / "out", options)
    return catalog.open(folder / "out")


def front_matter(root: Path) -> dict[str, Any]:
    text = (root / "README.md").read_text("utf-8")
    assert text.startswith("---\n")
    content: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return content


def run_file(root: Path, **datasets: dict[str, Any]) -> None:
    (root / "run.json").write_text(json.dumps({"datasets": datasets}))


# ---- as text ----


def test_the_front_matter_is_yaml_with_configs_and_license(corpus: catalog.Corpus) -> None:
    card = front_matter(corpus.root)
    assert card["license"] == "cc0-1.0"
    assert card["task_categories"] == ["image-segmentation", "mask-generation"]
    assert card["size_categories"] == ["n<1K"]
    configs = {config["config_name"]: config for config in card["configs"]}
    assert [name for name, config in configs.items() if config.get("default")] == [next(iter(configs))]
    text = (corpus.root / "README.md").read_text("utf-8")
    images = len(list(corpus.images()))
    assert f"| Blobs |  | {images} | " in text


def test_a_run_that_does_nothing_leaves_the_card_as_it_is(corpus: catalog.Corpus) -> None:
    before = (corpus.root / "README.md").read_bytes()
    assert write_card(corpus.root)
    assert (corpus.root / "README.md").read_bytes() == before


def test_licenses(tmp_path: Path, write_corpus: WriteCorpus) -> None:
    write_corpus(tmp_path, [{}])
    facts = {"store": "png", "images": 20_000, "masks": 30_000}
    for licenses, expected in (
        (["CC-BY-4.0"], {"license": "cc-by-4.0"}),
        (["CC-BY-4.0", "CC0-1.0"], {"license": "other", "license_name": "CC-BY-4.0, CC0-1.0"}),
        (["ask: the 'authors'"], {"license": "other", "license_name": "ask: the 'authors'"}),
        ([None], {"license": "other", "license_name": "unknown"}),
    ):
        run_file(tmp_path, **{f"D{i}": {**facts, "license": {"name": name}} for i, name in enumerate(licenses)})
        assert write_card(tmp_path)
        card = front_matter(tmp_path)
        assert {key: card[key] for key in ("license", "license_name") if key in card} == expected
    assert card["size_categories"] == ["10K<n<100K"]


def test_a_title_cannot_break_the_table(tmp_path: Path, write_corpus: WriteCorpus) -> None:
    write_corpus(tmp_path, [{}])
    run_file(tmp_path, D={"store": "png", "title": "a | b\n---\n", "license": None, "images": 1, "masks": 2})
    write_card(tmp_path)
    assert "| D | a \\| b --- | 1 | 2 | unknown |" in (tmp_path / "README.md").read_text("utf-8")


def test_an_edited_card_is_kept(tmp_path: Path, write_corpus: WriteCorpus) -> None:
    write_corpus(tmp_path, [{}])
    path = tmp_path / "README.md"
    assert write_card(tmp_path)
    ours = path.read_text("utf-8")
    for edited in (
        ours.replace("# A corpus", "# My corpus"),
        "# Mine\n",
        "",
        ours.replace("license: other", "license: mit"),
    ):
        assert edited != ours
        path.write_text(edited, "utf-8")
        assert not write_card(tmp_path)
        assert path.read_text("utf-8") == edited
    path.write_text(ours, "utf-8")
    run_file(tmp_path, New={"store": "png", "images": 5, "masks": 6})
    assert write_card(tmp_path)
    assert "| New |" in path.read_text("utf-8")


@pytest.mark.parametrize("broken", ["", "[]", "{", '{"datasets": {}}'])
def test_a_broken_run_file_is_no_hindrance(broken: str, tmp_path: Path, write_corpus: WriteCorpus) -> None:
    write_corpus(tmp_path, [{}])
    (tmp_path / "run.json").write_text(broken)
    assert write_card(tmp_path)
    assert front_matter(tmp_path)["configs"][0]["data_files"][0] == "metadata.parquet"


@pytest.mark.parametrize("drops", [None, [], [{"dataset": "A", "case": "1", "reason": "small"}]])
def test_an_empty_table_is_no_config(
    drops: list[dict[str, str]] | None, tmp_path: Path, write_corpus: WriteCorpus
) -> None:
    """`datasets` fails on a split without rows."""
    write_corpus(tmp_path, [{}], drops=drops)
    run_file(tmp_path, A={"store": "npz"})
    write_card(tmp_path)
    names = [config["config_name"] for config in front_matter(tmp_path)["configs"]]
    assert names == (["catalog", "drops"] if drops else ["catalog"])


def test_the_index_goes_with_the_store(tmp_path: Path, write_corpus: WriteCorpus) -> None:
    write_corpus(tmp_path, [{}])
    for store, there in (("png", True), ("npz", False), ("png", True), ("shards", False)):
        run_file(tmp_path, A={"store": store})
        write_card(tmp_path)
        assert (tmp_path / INDEX_FILE).exists() == there
    run_file(tmp_path, A={"store": "png"}, B={"store": "shards"})
    write_card(tmp_path)
    assert front_matter(tmp_path)["configs"][0]["data_files"] == ["shards/*/*.parquet"]


def test_the_index_has_all_of_the_catalog(tmp_path: Path, write_corpus: WriteCorpus) -> None:
    rows = [
        {"case": case, "modality": "MR", "sequence": sequence, "label_id": label,
         "mask": f"{case}{sequence}{label}.png",
         "image": f"images/A/{case}{sequence}.png", "instance": 0}
        for case in "12" for label in (1, 2, 3) for sequence in ("flair", "t1")
    ]  # fmt: skip
    empty = dict.fromkeys(("mask", "label", "label_id", "instance", "area", "area_fraction", "anatomy"))
    rows.append({"case": "3", "image": "images/A/3.png", **empty})
    write_corpus(tmp_path, rows)
    run_file(tmp_path, A={"store": "png"})
    write_card(tmp_path)
    index = pq.read_table(tmp_path / INDEX_FILE)
    assert index["name"].to_pylist() == ["1flair", "1t1", "2flair", "2t1", "3"]
    assert index["masks_file_names"].to_pylist()[1] == ["1t11.png", "1t12.png", "1t13.png"]
    assert index["label_id"].to_pylist() == [[1, 2, 3]] * 4 + [[]]
    left_out = {"image_index", "mask_index", "image", "mask"}
    names = set(catalog.open(tmp_path).to_arrow().column_names) - left_out
    assert names | {"name", "image_file_name", "masks_file_names"} == set(index.column_names)


# ---- by Hugging Face datasets, in a process of its own: it opens caches and threads ----

LOADED = """
import json, sys
import numpy as np
from datasets import get_dataset_config_names, load_dataset
root, cache = sys.argv[1:]
images = []
configs = get_dataset_config_names(root)
for row in load_dataset(root, split="train", cache_dir=cache):
    if "masks" in row:
        masks = [np.asarray(mask.convert("L")) for mask in row["masks"]]
        areas = [int((mask == 255).sum()) for mask in masks]
        images.append([row["name"], list(np.asarray(row["image"]).shape), int(np.asarray(row["image"]).sum()), areas])
rows = None
if "catalog" in configs:
    rows = load_dataset(root, "catalog", split="train", cache_dir=cache).num_rows
    assert load_dataset(root, "drops", split="train", cache_dir=cache).num_rows
print(json.dumps({"configs": configs, "images": images, "rows": rows}))
"""


@pytest.mark.skipif(find_spec("datasets") is None, reason="needs the package datasets")
def test_load_dataset_reads_images_masks_and_catalog(corpus: catalog.Corpus, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(corpus.root), str(tmp_path / "cache")],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    images = [
        [image.name, list(image.pixels.shape), int(image.pixels.sum(dtype=np.int64)), image.masks.sum((1, 2)).tolist()]
        for image in corpus.images()
    ]
    if (corpus.root / "images").exists() and not (corpus.root / "masks").exists():
        assert found == {"configs": ["catalog", "drops"], "images": [], "rows": len(corpus)}, "npz: the catalog alone"
    else:
        assert sorted(found["images"]) == sorted(images)
        assert found["rows"] in (None, len(corpus))
