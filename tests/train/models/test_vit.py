from functools import partial

import torch

from predict.presets import DualBranchSpec
from train.models.vit import ImageEncoderViT


@torch.no_grad()
def test_equals_timms_sam_encoder(timm, look_trained):
    from timm.models.vision_transformer_sam import VisionTransformerSAM, checkpoint_filter_fn

    spec = DualBranchSpec(width=48, depth=2, heads=4, global_blocks=(1,))
    ours = look_trained(ImageEncoderViT(spec))
    theirs = VisionTransformerSAM(
        img_size=1024,
        num_classes=0,
        embed_dim=48,
        depth=2,
        num_heads=4,
        window_size=14,
        global_attn_indexes=(1,),
        use_rel_pos=True,
        neck_chans=256,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    ).eval()
    published = {f"image_encoder.{key}": value for key, value in ours.state_dict().items()}
    theirs.load_state_dict(checkpoint_filter_fn(published, theirs), strict=True)
    x = torch.rand(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(0))
    embedding = ours(x)
    assert embedding.shape == (1, 256, 64, 64)
    torch.testing.assert_close(embedding, theirs.forward_features(x), rtol=1e-5, atol=1e-5)
