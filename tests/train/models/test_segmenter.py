"""The whole model against another implementation of it, and the published keys."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from predict.errors import ModelError
from predict.presets import (
    PRESETS,
    DualBranchSpec,
    RepViTSpec,
    RepViTStage,
    SwinSpec,
    TimmSpec,
    TinyViTSpec,
    preset,
)
from train.models.segmenter import LAST_NORM, SAM_DEVIATION, SAM_MEAN, Segmenter, build_encoder
from train.models.weights import load_weights

# Of the upstream classes' state dicts: how many tensors, and the SHA-256 of the sorted "key shape" lines.
PUBLISHED_ENCODER_KEYS = {
    "swin-t": (187, "d36de0036313a26e"),
    "repvit-m0.6": (471, "6a89c92d420bc181"),
    "rep-medsam": (706, "43a5bbf7f56dfc37"),
    "db-sam:none": (177, "9f9a7e92e255baa0"),  # SAM's ViT-B
}
PUBLISHED_DECODER_KEYS = {
    "lite-medsam": (120, "f8e36941cacb936e"),
    "swift-medsam-v1": (82, "935733fdc991f4e1"),
    "swift-medsam-v2": (82, "553c2b8ab4f885f7"),
}
SWIFT_DEPTHS = {"swift-medsam-v1": [2, 2, 4, 2], "swift-medsam-v2": [1, 2, 2, 2]}


def keys(module):
    lines = sorted(f"{key} {tuple(value.shape)}" for key, value in module.state_dict().items())
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@pytest.fixture(scope="module")
def ours(oracle):
    model = Segmenter(PRESETS["lite-medsam"])
    load_weights(model, "lite-medsam")
    return model.eval()


@pytest.fixture(scope="module")
def theirs(oracle, tmp_path_factory):
    return oracle.model(root=str(tmp_path_factory.mktemp("weights")))


def drawn_by(theirs, embedding, boxes, several=False):
    sparse, dense = theirs.prompt_encoder(points=None, boxes=boxes[:, None], masks=None)
    return theirs.mask_decoder(
        image_embeddings=embedding,
        image_pe=theirs.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=several,
    )


@torch.no_grad()
def test_equals_the_published_model_on_real_images(ours, theirs, sample):
    embedding, expected = ours.embed(sample.image), theirs.image_encoder(sample.image)
    torch.testing.assert_close(embedding, expected, rtol=0, atol=1e-5)

    # Logits reach 60 and carry what the embedding was off: to 1e-5 of their range from the image on.
    logits, iou = ours.decode(embedding, sample.boxes)
    theirs_logits, theirs_iou = drawn_by(theirs, expected, sample.boxes)
    torch.testing.assert_close(logits, theirs_logits, rtol=0, atol=1e-5 * theirs_logits.abs().max().item())
    torch.testing.assert_close(iou, theirs_iou, rtol=0, atol=1e-5)
    torch.testing.assert_close(logits, drawn_by(theirs, embedding, sample.boxes)[0], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_finds_what_the_boxes_hold(ours, sample):
    embedding = ours.embed(sample.image)
    masks = ours.decode(embedding, sample.boxes)[0][:, 0].numpy() > 0
    both, either = (masks & sample.masks).sum((1, 2)), masks.sum((1, 2)) + sample.masks.sum((1, 2))
    assert (2 * both / either).mean() > 0.8


@torch.no_grad()
def test_boxes_of_one_image_do_not_see_each_other(ours):
    embedding = torch.randn(1, 256, 64, 64)
    boxes = torch.tensor([[10.0, 20, 90, 120], [100, 100, 255, 255], [3, 4, 5, 6]])
    together = ours.decode(embedding, boxes)[0]
    one_by_one = torch.cat([ours.decode(embedding, box[None])[0] for box in boxes])
    repeated = ours.decode(embedding.expand(3, -1, -1, -1), boxes)[0]
    torch.testing.assert_close(together, one_by_one, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(together, repeated, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", PUBLISHED_ENCODER_KEYS)
def test_encoder_keys_are_the_published_ones(name):
    with torch.device("meta"):
        assert keys(build_encoder(preset(name).encoder)) == PUBLISHED_ENCODER_KEYS[name]


@pytest.mark.parametrize("name", PUBLISHED_DECODER_KEYS)
def test_decoder_keys_are_the_published_ones(name):
    with torch.device("meta"):
        assert keys(Segmenter(PRESETS[name]).mask_decoder) == PUBLISHED_DECODER_KEYS[name]


@pytest.mark.parametrize("name", SWIFT_DEPTHS)
@torch.no_grad()
def test_swift_encoders_equal_the_shorter_tinyvit(name, oracle, look_trained):
    expected = oracle.TinyViT(
        img_size=256,
        embed_dims=[64, 128, 160, 320],
        depths=SWIFT_DEPTHS[name],
        num_heads=[2, 4, 5, 10],
        window_sizes=[7, 7, 14, 7],
    )
    look_trained(expected)
    encoder = build_encoder(PRESETS[name].encoder)
    encoder.load_state_dict(expected.state_dict(), strict=True)
    image = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(encoder.eval()(image), expected(image), rtol=1e-5, atol=1e-5)


SMALL = {
    "lite-medsam": TinyViTSpec((1, 1, 1, 1), (8, 8, 8, 8), (1, 1, 1)),
    "swin-t": SwinSpec(depths=(1, 1, 1, 1), heads=(1, 1, 1, 1)),
    "repvit-m0.6": RepViTSpec(2, (RepViTStage(8, "1"),)),
    "db-sam": DualBranchSpec(width=48, depth=2, heads=4, global_blocks=(1,)),
    "effnet-lite0": TimmSpec("mobilenetv3_small_050", neck_blocks=1),
}
"""A small encoder of each family; DB-SAM's adapter, registered after its neck, has norms of its own."""


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_the_last_norm_is_the_one_that_the_encoder_ends_in(name, request):
    """With a weight of 0 nothing but its bias is left of any image."""
    if name == "effnet-lite0":
        request.getfixturevalue("timm")
    model = Segmenter(replace(PRESETS[name], encoder=SMALL[name])).eval()
    norm = model.part(LAST_NORM)
    torch.nn.init.zeros_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    embedding = model.embed(torch.rand(1, 3, model.preset.image_size, model.preset.image_size))
    assert torch.equal(embedding, norm.bias[None, :, None, None].expand(1, 256, 64, 64))


def test_parts_go_by_their_names():
    with torch.device("meta"):
        model = Segmenter(PRESETS["repvit-m0.6"])
        assert model.part("image_encoder.neck") is model.image_encoder.neck
        with pytest.raises(ModelError, match=r"repvit-m0.6 has no part 'mask_decodr' \(did you mean mask_decoder\?\)"):
            model.part("mask_decodr")
        with pytest.raises(ModelError, match=r"repvit-m0.6 has no part 'x'$"):
            model.part("x")


def test_every_head_of_the_decoder_gets_a_gradient(ours):
    logits, iou = ours.decode(torch.randn(1, 256, 64, 64), torch.tensor([[1.0, 2, 30, 40]]))
    wanted = list(ours.mask_decoder.parameters())
    found = torch.autograd.grad(logits.mean() + iou.mean(), wanted, allow_unused=True)
    assert all(gradient is not None for gradient in found)


def test_db_sam_sees_sams_pixels():
    model = Segmenter(preset("db-sam:none"))
    seen = []
    model.image_encoder = torch.nn.Identity()
    model.image_encoder.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    image = torch.rand(1, 3, 1024, 1024)
    model.embed(image)
    expected = (image.numpy() * 255 - np.reshape(SAM_MEAN, (3, 1, 1))) / np.reshape(SAM_DEVIATION, (3, 1, 1))
    np.testing.assert_allclose(seen[0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("images", "boxes", "message"),
    [
        ((1, 3, 255, 256), (1, 4), r"takes images \(B, 3, 256, 256\), not \(1, 3, 255, 256\)"),
        ((1, 1, 256, 256), (1, 4), "takes images"),
        ((3, 256, 256), (1, 4), "takes images"),
        ((1, 3, 256, 256), (4,), r"boxes are \(N, 4\)"),
        ((2, 3, 256, 256), (3, 4), "2 embeddings with 3 boxes"),
    ],
)
def test_wrong_shapes_are_told(images, boxes, message):
    with torch.device("meta"):
        model = Segmenter(PRESETS["repvit-m0.6"])
        with pytest.raises(ValueError, match=message):
            model(torch.empty(images), torch.empty(boxes))
