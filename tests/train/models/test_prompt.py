import pytest
import torch

from train.models.prompt import PromptEncoder


@pytest.fixture
def pair(oracle, look_trained):
    theirs = oracle.PromptEncoder(
        embed_dim=256, image_embedding_size=(64, 64), input_image_size=(1024, 1024), mask_in_chans=16
    )
    look_trained(theirs)
    ours = PromptEncoder(1024)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


@torch.no_grad()
def test_boxes_and_places_equal_sams(pair):
    ours, theirs = pair
    boxes = torch.tensor([[0.0, 0, 1023, 1023], [10, 20, 30, 40], [511.5, 0, 512, 1]])
    sparse, dense = ours(boxes)
    expected_sparse, expected_dense = theirs(points=None, boxes=boxes[:, None], masks=None)
    torch.testing.assert_close(sparse, expected_sparse, rtol=0, atol=1e-5)
    torch.testing.assert_close(dense.expand_as(expected_dense), expected_dense)
    torch.testing.assert_close(ours.dense_positions(), theirs.get_dense_pe(), rtol=0, atol=1e-5)


@torch.no_grad()
def test_autocast_does_not_round_the_boxes():
    prompt = PromptEncoder(256)
    boxes = torch.tensor([[101.0, 57, 203, 188]])
    with torch.autocast("cpu", torch.bfloat16):
        rounded = prompt(boxes)[0]
    torch.testing.assert_close(rounded, prompt(boxes)[0])
    assert torch.equal(prompt(boxes.int())[0], prompt(boxes)[0])
