import pytest
import torch

from predict.presets import DecoderSpec
from train.models.decoder import MaskDecoder

SPECS = [
    DecoderSpec(),
    DecoderSpec(depth=1, mlp=1024, iou_depth=2),
    DecoderSpec(depth=1, heads=4, mlp=256, iou_depth=2),
]


@pytest.mark.parametrize("spec", SPECS)
@torch.no_grad()
def test_equals_sams(spec, oracle, look_trained):
    transformer = oracle.TwoWayTransformer(depth=spec.depth, embedding_dim=256, mlp_dim=spec.mlp, num_heads=spec.heads)
    theirs = look_trained(
        oracle.MaskDecoder(transformer_dim=256, transformer=transformer, iou_head_depth=spec.iou_depth)
    )
    ours = MaskDecoder(spec).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    torch.manual_seed(0)
    embedding, places = torch.randn(2, 1, 256, 64, 64)
    sparse, dense = torch.randn(3, 2, 256), torch.randn(1, 256, 1, 1)
    for several in (False, True):
        logits, iou = ours(embedding, places, sparse, dense, several)
        expected, expected_iou = theirs(
            embedding, places, sparse, dense.expand(3, -1, 64, 64), multimask_output=several
        )
        assert logits.shape == (3, 3 if several else 1, 256, 256)
        torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(iou, expected_iou, rtol=1e-5, atol=1e-5)
