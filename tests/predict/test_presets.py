import pytest

from predict.errors import ModelError
from predict.presets import PRESETS, DualBranchSpec, TimmSpec, preset
from train.models.cost import cost

# Encoder, decoder and total of the upstream classes, instantiated; the encoder's GMACs at 256.
PUBLISHED = {
    "lite-medsam": (5_726_740, 4_058_340, 9_791_300, 37.5),
    "swin-t": (11_188_908, 4_058_340, 15_253_468, 43.9),
    "repvit-m0.6": (2_434_100, 4_058_340, 2_434_100 + 4_058_340 + 6_220, 9.42),
    "swift-medsam-v1": (5_102_700, 1_887_716, 6_996_636, 34.2),
    "swift-medsam-v2": (4_442_436, 1_493_732, 5_942_388, 28.6),
    "rep-medsam": (6_505_532, 4_058_340, 10_570_092, 31.1),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_what_the_published_model_costs(name):
    encoder, decoder, total, gmacs = PUBLISHED[name]
    counted = cost(PRESETS[name])
    assert (counted.encoder_params, counted.decoder_params, counted.total_params) == (encoder, decoder, total)
    assert counted.prompt_params == 6_220
    assert counted.gmacs == pytest.approx(gmacs, abs=0.05)


def test_the_papers_figures_are_these_counts():
    assert f"{15_253_468 / 2**20:.2f} M" in PRESETS["swin-t"].paper
    assert f"{2_434_100 / 2**20:.2f} M" in PRESETS["repvit-m0.6"].paper
    assert PRESETS["rep-medsam"].paper == f"{10_570_092 / 1e6:.2f} M"
    assert PRESETS["swift-medsam-v2"].paper == f"{5_942_388 / 1e6:.2f} M"
    assert PRESETS["lite-medsam"].paper == f"{9_791_300 / 1e6:.1f} M"


def test_every_preset_is_published_or_counted_by_its_parts():
    assert set(PRESETS) == {*PUBLISHED, "db-sam", "effnet-lite0"}


def test_timm_names_become_specs():
    assert preset("timm:resnet18").encoder == TimmSpec("resnet18")


@pytest.mark.parametrize(
    ("name", "on"),
    [
        ("db-sam", (True, True, True)),
        ("db-sam:none", (False, False, False)),
        ("db-sam:channel", (True, False, False)),
        ("db-sam:fusion+cross", (False, True, True)),
    ],
)
def test_db_sam_modules_switch_by_name(name, on):
    spec = preset(name).encoder
    assert isinstance(spec, DualBranchSpec)
    assert (spec.channel, spec.cross, spec.fusion) == on


@pytest.mark.parametrize("name", ["lite-medsan", "", "timm:", "db-sam:", "db-sam:none+cross", "db-sam:spatial"])
def test_unknown_names_are_told(name):
    with pytest.raises(ModelError) as caught:
        preset(name)
    if name == "lite-medsan":
        assert "Did you mean lite-medsam?" in str(caught.value)
