"""Protocols: those that come along, a user's own, and every mistake in one message."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.train.small_runs import WORDS
from train.data.augmentations import TABLES
from train.learning.protocol import (
    Protocol,
    RequestError,
    load_protocol,
    make_protocol,
    parse_value,
    plain,
    protocol_fields,
    protocol_names,
)

PUBLISHED = {
    "lite-medsam": {"batch": 4, "lr": 5e-5, "epochs": 10, "augment": "lite-medsam"},
    "rep-medsam": {"epochs": 5, "follow": "as_stored", "losses": {"embedding": 1.0}},
    "repvit-m0.6": {"epochs": 50, "batch": 8, "lr": 5e-3, "losses": {"embedding": 1.0}, "trained": ("image_encoder",)},
    "swift-medsam": {"epochs": 1000, "batch": 8, "lr": 1e-4},
    "swin-t": {"epochs": 100, "batch": 8, "lr": 5e-3, "losses": {"dice": 1.0, "bce": 1.0, "iou": 1.0}},
}


@pytest.mark.parametrize("name", protocol_names())
def test_each_protocol_loads_and_says_where_it_is_from(name):
    protocol = load_protocol(name)
    assert protocol.source
    assert make_protocol(plain(protocol)) == protocol
    for key, value in PUBLISHED.get(name, {}).items():
        assert getattr(protocol, key) == value
    if name in PUBLISHED:
        assert (protocol.schedule, protocol.factor, protocol.patience) == ("plateau", 0.9, 5)


def test_our_own_student_starts_at_the_teachers_scale_and_the_papers_as_theirs_did():
    assert load_protocol("student-embeddings").copied == ("prompt_encoder", "mask_decoder", "last_norm")
    for name in ("repvit-m0.6", "rep-medsam"):
        assert load_protocol(name).copied == ("prompt_encoder", "mask_decoder")


def test_the_papers_protocols_come_along():
    assert set(PUBLISHED) < set(protocol_names())


def test_a_file_of_ones_own_and_overrides(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("losses: {embedding: 1, dice: 1e-1}\nlr: 1e-4\nencoder_lr: 3E-4\nepochs: 3\nema: null\n")
    protocol = load_protocol(str(file))
    # YAML itself takes 1e-4 for a word.
    assert (protocol.lr, protocol.encoder_lr, protocol.losses) == (1e-4, 3e-4, {"embedding": 1.0, "dice": 0.1})
    changed = load_protocol(str(file), {"epochs": 5})
    assert changed == dataclasses.replace(protocol, epochs=5)


def test_every_field_is_written_in_one_word():
    assert WORDS.keys() == protocol_fields().keys()
    assert all(protocol_fields().values())
    given_ = {name: parse_value(name, word) for name, (word, _) in WORDS.items()}
    protocol = load_protocol("repvit-m0.6", given_)
    assert {name: getattr(protocol, name) for name in WORDS} == {name: value for name, (_, value) in WORDS.items()}


@pytest.mark.parametrize("name", ["encoder_lr", "clip", "ema"])
def test_null_takes_a_number_away(name):
    assert parse_value(name, "null") is parse_value(name, "none") is None
    assert getattr(load_protocol("student-masks", {name: None}), name) is None


BAD = [
    ("epoch: 5", ["'epoch'", "Did you mean epochs?", "temperature"]),
    ("7: 5", ["there is no 7"]),
    ("epochs: many", ["epochs is 'many'", "a whole number is wanted"]),
    ("epochs: 2.5", ["epochs is 2.5", "a whole number"]),
    ("epochs: true", ["epochs is True"]),
    ("epochs: null", ["epochs is None"]),
    ("epochs: 0", ["epochs: 0 must be at least 1"]),
    ("accumulate: -2", ["accumulate: -2"]),
    ("batch: 8\naccumulate: 3", ["a batch of 8 does not come in 3 equal parts"]),
    ("lr: fast", ["lr is 'fast'", "a number is wanted"]),
    ("lr: .nan", ["lr: nan must be above 0"]),
    ("lr: 0", ["lr: 0.0 must be above 0"]),
    ("encoder_lr: -1", ["encoder_lr: -1.0"]),
    ("encoder_lr: x", ["encoder_lr is 'x'", "a number or null"]),
    ("weight_decay: -0.1", ["weight_decay: -0.1"]),
    ("factor: 1.5", ["factor: 1.5 must be between 0 and 1"]),
    ("patience: -1", ["patience: -1"]),
    ("warmup: -1", ["warmup: -1.0"]),
    ("clip: 0", ["clip: 0.0 must be above 0"]),
    ("ema: 1", ["ema: 1.0 must be between 0 and 1"]),
    ("temperature: 0.5", ["temperature: 0.5 must be at least 1"]),
    ("losses: {focal: 1}", ["losses: 'focal' is none of embedding, teacher, dice, bce, boundary, iou"]),
    ("losses: {dise: 1}", ["Did you mean dice?"]),
    ("losses: {dice: -1}", ["losses: dice is weighed by -1.0"]),
    ("losses: {dice: a}", ["a mapping of numbers is wanted"]),
    ("losses: {dice: true}", ["a mapping of numbers is wanted"]),
    ("losses: dice", ["losses is 'dice'"]),
    ("losses: {dice: 0}", ["nothing would learn"]),
    ("losses: {}", ["nothing would learn"]),
    ("trained: []", ["nothing would learn"]),
    ("trained: [decoder]", ["trained: 'decoder' is none of", "Did you mean mask_decoder?"]),
    ("trained: [mask_decoder, mask_decoder]", ["names mask_decoder twice"]),
    ("trained: mask_decoder", ["a list of words is wanted"]),
    ("trained: [1]", ["a list of words is wanted"]),
    ("schedule: linear", ["schedule: 'linear' is none of constant, plateau, cosine"]),
    ("precision: fp61", ["precision: 'fp61'", "Did you mean fp16?"]),
    ("follow: yes", ["follow is True, where a word is wanted"]),
    ("augment: strong", ["augment: 'strong' is none of", *TABLES]),
    ("compiled: 1", ["compiled is 1, where true or false is wanted"]),
    ("- a", ["a protocol is a mapping"]),
    ("", ["a protocol is a mapping"]),
    ("lr: [1", ["is no YAML", "line 1"]),
]


@pytest.mark.parametrize(("text", "told"), BAD, ids=[text or "empty" for text, _ in BAD])
def test_a_mistake_in_a_file_is_one_message(text, told, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(RequestError) as caught:
        load_protocol(str(file))
    message = str(caught.value)
    assert message.startswith(str(file))
    assert "\n" not in message
    for word in told:
        assert word in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("student-mask", "Did you mean student-masks?"),
        ("nothing", "There are db-sam, lite-medsam, "),
        ("absent.yaml", "absent.yaml is no file"),
    ],
)
def test_a_protocol_that_is_not_there(source, told):
    with pytest.raises(RequestError, match=told):
        load_protocol(source)


def test_a_file_that_cannot_be_read(tmp_path):
    file: Path = tmp_path / "mine.yml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(RequestError, match=r"mine\.yml cannot be read"):
        load_protocol(str(file))


def test_an_override_is_told_as_such():
    with pytest.raises(RequestError, match="command line: lr is 'abc', where a number is wanted"):
        load_protocol("repvit-m0.6", {"lr": parse_value("lr", "abc")})


@given(st.sampled_from(sorted(WORDS)), st.text(max_size=12))
def test_any_word_gives_a_value_or_one_message(name, word):
    told = "command line: "
    try:
        assert isinstance(load_protocol("lite-medsam", {name: parse_value(name, word)}), Protocol)
    except RequestError as error:
        told = str(error)
    assert told.startswith("command line: ")
