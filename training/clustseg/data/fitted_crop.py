"""Crops whose scale is told against the crop instead of the image: large-scale jitter (Ghiasi et al., Copy-Paste, CVPR 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clustseg.data.augment import AugmentConfig, relight


@dataclass(frozen=True)
class FittedAugment(AugmentConfig):
    """At scale 1 the whole image just fits into the crop ("inside"), or its short side is as long as the crop's ("short").

    `scale` is drawn evenly. `stretch`, `turn` and `flip_vertical` do not apply.
    """

    fit: str = "inside"

    def __post_init__(self) -> None:
        if self.fit not in ("inside", "short"):
            raise ValueError(f"fit is 'inside' or 'short', not {self.fit!r}")


def fitted_crop(image: np.ndarray, planes: np.ndarray, config: FittedAugment, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """image uint8 [H, W, 3] and label planes int [L, H, W] (-1 = void) -> float [3, h, w] in 0..255, int64 [L, h, w].

    Only what is kept is resampled, and what the image does not fill is grey and void, right of it and below.
    """
    full = np.array(image.shape[:2])
    crop = np.array(config.crop)
    ratios = crop / full
    ratio = float(rng.uniform(*config.scale)) * float(ratios.min() if config.fit == "inside" else ratios.max())
    size = np.maximum(1, np.rint(full * ratio)).astype(int)
    kept = np.minimum(size, crop)
    # The kept part of the resized image, in pixels of the source.
    window = np.clip(np.rint(kept * full / size), 1, full).astype(int)
    top, left = (int(rng.integers(0, most + 1)) for most in full - window)
    rows, columns = slice(top, top + window[0]), slice(left, left + window[1])
    pixels = torch.from_numpy(np.ascontiguousarray(image[rows, columns])).permute(2, 0, 1).float()[None]
    labels = torch.from_numpy(np.ascontiguousarray(planes[:, rows, columns])).float()[None]
    tall, wide = int(kept[0]), int(kept[1])
    pixels = F.interpolate(pixels, size=(tall, wide), mode="bilinear", align_corners=False, antialias=ratio < 1)[0]
    labels = F.interpolate(labels, size=(tall, wide), mode="nearest-exact")[0].long()
    if rng.random() < 0.5:
        pixels, labels = pixels.flip(2), labels.flip(2)
    pixels = relight(pixels, config, rng)
    around = (0, int(crop[1]) - wide, 0, int(crop[0]) - tall)
    return F.pad(pixels, around, value=float(pixels.mean())), F.pad(labels, around, value=-1)
