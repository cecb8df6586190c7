"""`train embed` as a user runs it."""

import json

import pytest

from tests.train.small_runs import NAME, small_model, write_small_corpus
from train.embeddings.store import EmbeddingCache
from train.models.weights import save_weights


@pytest.fixture
def embed(tmp_path, train):
    folder = write_small_corpus(tmp_path / "corpus", images=3, val=2)
    file = tmp_path / "teacher.safetensors"
    save_weights(small_model(5), file, {"preset": NAME})

    def embed(*words):
        return train("embed", "--manifest", folder, "--out", tmp_path / "e", "--teacher", file, "--device", "cpu",
                     "--engine", "torch", "--threads", 1, *words)  # fmt: skip

    return embed


def test_every_image_once_and_again_nothing(embed, tmp_path):
    code, out, err = embed("--split", "train")
    assert code == 0, err
    assert err.endswith(f"{tmp_path / 'e'}: 3 embeddings, 0 of them from before\n")
    assert out == ""
    assert embed()[2].endswith(f"{tmp_path / 'e'}: 5 embeddings, 3 of them from before\n")
    assert embed()[2] == f"{tmp_path / 'e'}: 5 embeddings, 5 of them from before\n"
    about = json.loads((tmp_path / "e" / "embed.json").read_text())
    assert (about["teacher"], about["image_size"], about["precision"]) == (NAME, 256, "f32")
    assert len(EmbeddingCache(tmp_path / "e")) == 5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--engine", "tensorrt"], "tensorrt"),
        (["--precision", "bf17"], "bf17"),
        (["--teacher", "lite-medsan"], "Did you mean lite-medsam?"),
        (["--teacher", "swin-t"], "no package ships weights of swin-t"),
        (["--split", "nowhere"], "no mask in the split"),
        (["--batch", "0"], "Invalid value for '--batch'"),
    ],
)
def test_what_is_asked_wrongly_leaves_no_folder_behind(words, told, embed, tmp_path):
    """A folder that names another precision would refuse the next try."""
    code, out, err = embed(*words)
    assert code == 2
    assert told in " ".join(err.split())
    assert (out, "Traceback" in err) == ("", False)
    assert not (tmp_path / "e").exists()
    assert embed()[0] == 0


def test_ctrl_c_says_how_to_go_on(embed, tmp_path, monkeypatch):
    from train.embeddings.store import EmbeddingWriter

    original = EmbeddingWriter.add

    def add(self, *args):
        original(self, *args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddingWriter, "add", add)
        code, _, err = embed("--batch", 2)
    assert code == 1
    assert "Interrupted with 0 of 5 embeddings" in err  # the batch was stored, but not yet counted
    assert embed()[2].endswith("5 embeddings, 2 of them from before\n")
