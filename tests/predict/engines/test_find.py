"""Which graphs a word means, and when they are made."""

import json
import shutil
from pathlib import Path

import pytest

import predict.engines.find
import train.export.on_demand
from predict.engines.exported import FORMAT, digest, read_exported
from predict.engines.find import find_exported, fingerprint, user_cache
from predict.errors import ModelError, WeightsError
from train.models.weights import save_weights


@pytest.fixture
def made(monkeypatch, exported, small_model):
    """The folders that were exported to, without the work."""
    folders = []

    def export(model, out, about):
        assert len(about["weights_sha256"]) == 64
        folders.append(out)
        shutil.copytree(exported, out, dirs_exist_ok=True)

    monkeypatch.setattr(train.export.on_demand, "export_model", export)
    monkeypatch.setattr(train.export.on_demand, "load_model", lambda text: (small_model, (f"of {text}",)))
    return folders


def without(monkeypatch, *names):
    find = predict.engines.find.importlib.util.find_spec
    monkeypatch.setattr(
        predict.engines.find.importlib.util, "find_spec", lambda name: None if name in names else find(name)
    )


def test_a_folder_is_what_lies_in_it(exported, tmp_path, made):
    found, remarks = find_exported(str(exported), tmp_path)
    assert (found.folder, found.preset, found.image_size, remarks) == (exported, "repvit-m0.6", 256, ())
    assert set(found.digests) == {"encoder", "ground", "mask", "decoder"}
    for name, expected in found.digests.items():
        assert expected == f"{digest(found.path(name))}+{digest(exported / 'shared.bin')}"
    assert not made


def test_a_preset_is_exported_once(tmp_path, made, monkeypatch):
    found, remarks = find_exported("lite-medsam", tmp_path)
    assert found.folder == tmp_path / "models" / f"lite-medsam-79d8c9dca6db4d69-{FORMAT}"
    assert remarks == ("of lite-medsam", f"exported once into {found.folder}")
    without(monkeypatch, "torch")
    assert find_exported("lite-medsam", tmp_path) == (found, ())
    assert len(made) == 1


def test_weights_of_a_file_are_known_by_their_content(tmp_path, made, small_model):
    path = tmp_path / "mine.safetensors"
    save_weights(small_model, path, {"preset": "repvit-m0.6"})
    found, _ = find_exported(f"repvit-m0.6={path}", tmp_path)
    assert found.folder.name == f"repvit-m0.6-{digest(path)[:16]}-{FORMAT}"
    assert find_exported(str(path), tmp_path)[0].folder != found.folder  # its preset is not looked up without torch
    path.write_bytes(path.read_bytes() + b" ")
    assert find_exported(f"repvit-m0.6={path}", tmp_path)[0].folder != found.folder
    assert len(made) == 3


def test_a_damaged_export_is_made_anew(tmp_path, made, monkeypatch):
    found, _ = find_exported("lite-medsam", tmp_path)
    found.path("decoder").write_bytes(b"cut")
    assert "exported once" in find_exported("lite-medsam", tmp_path)[1][-1]
    assert read_exported(found.folder) == found
    found.path("decoder").unlink()
    without(monkeypatch, "torch")
    with pytest.raises(WeightsError, match="has to be exported once, which needs torch"):
        find_exported("lite-medsam", tmp_path)


def test_a_model_that_comes_with_the_package_needs_nothing(tmp_path, exported, monkeypatch, made):
    monkeypatch.setattr(predict.engines.find, "SHIPPED", exported.parent)
    without(monkeypatch, "torch")
    assert find_exported("small", tmp_path)[0].folder == exported


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("lite-medsma", ModelError, "Did you mean lite-medsam"),
        ("swin-t", WeightsError, r"write swin-t=FILE"),
        ("lite-medsam=missing.pth", WeightsError, "missing.pth is not a file"),
        ("nothing=missing.pth", WeightsError, "missing.pth is not a file"),
    ],
)
def test_what_cannot_be_found(tmp_path, made, text, error, told):
    with pytest.raises(error, match=told):
        find_exported(text, tmp_path)
    assert not made


def test_another_format_is_refused(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "old")
    about = json.loads((exported / "model.json").read_text())
    (tmp_path / "old" / "model.json").write_text(json.dumps({**about, "format": FORMAT + 1}))
    with pytest.raises(WeightsError, match=f"this version runs {FORMAT}: export the model again"):
        read_exported(tmp_path / "old")


def test_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "medcorpus"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert user_cache() == tmp_path / "home" / ".cache" / "medcorpus"


def test_fingerprints_change_with_the_weights(exported, tmp_path, small_model):
    path = tmp_path / "mine.safetensors"
    save_weights(small_model, path, {"preset": "repvit-m0.6"})
    found = [fingerprint(model) for model in ("effnet-lite0", "lite-medsam", str(exported), str(path))]
    assert len(set(found)) == 4
    assert fingerprint(f"repvit-m0.6={path}") == found[3]
    path.write_bytes(path.read_bytes() + b" ")
    assert fingerprint(str(path)) != found[3]
