"""Crops for training: a random window of an image at a random scale, turned and flipped, in another light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class AugmentConfig:
    """What may happen to a crop; 0 or (1, 1) switches a thing off."""

    crop: tuple[int, int] = (256, 256)
    scale: tuple[float, float] = (0.5, 2.0)
    # The ratio of the sides may change by this factor, both ways.
    stretch: float = 1.15
    flip_vertical: bool = False
    turn: bool = False
    # Largest changes: of contrast and gamma as factors 1 + x, of brightness in parts of 255, of saturation and hue (radians).
    contrast: float = 0.4
    gamma: float = 0.4
    brightness: float = 0.15
    saturation: float = 0.5
    hue: float = 0.15
    # Gains of single channels (colour of the light), 1 + x.
    tint: float = 0.1
    grey: float = 0.05
    invert: float = 0.0
    blur: float = 0.15
    noise: float = 6.0


def random_crop(image: np.ndarray, planes: np.ndarray, config: AugmentConfig, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """image uint8 [H, W, 3] and label planes int [L, H, W] (-1 = void) -> float [3, h, w] in 0..255, int64 [L, h, w]."""
    tall, wide = config.crop
    turned = config.turn and rng.random() < 0.5
    if turned:
        tall, wide = wide, tall
    low, high = np.log(config.scale[0]), np.log(config.scale[1])
    scale = float(np.exp(rng.uniform(low, high)))
    skew = float(np.exp(rng.uniform(-1, 1) * np.log(config.stretch) / 2))
    height, width = image.shape[:2]
    window = (max(8, round(tall / (scale * skew))), max(8, round(wide * skew / scale)))
    top, left = (_offset(full, part, rng) for full, part in zip((height, width), window))
    rows = slice(max(top, 0), min(top + window[0], height))
    columns = slice(max(left, 0), min(left + window[1], width))
    pixels = torch.from_numpy(image[rows, columns].copy()).permute(2, 0, 1).float()
    labels = torch.from_numpy(np.ascontiguousarray(planes[:, rows, columns])).float()
    # What is of the window outside of the image is void, and grey.
    around = (columns.start - left, left + window[1] - columns.stop, rows.start - top, top + window[0] - rows.stop)
    if any(around):
        pixels, labels = F.pad(pixels, around, value=float(pixels.mean())), F.pad(labels, around, value=-1.0)
    pixels = F.interpolate(pixels[None], size=(tall, wide), mode="bilinear", align_corners=False, antialias=scale < 1)[0]
    labels = F.interpolate(labels[None], size=(tall, wide), mode="nearest-exact")[0].long()
    if turned:
        pixels, labels = pixels.transpose(1, 2), labels.transpose(1, 2)
    flips = [2] if rng.random() < 0.5 else []
    if config.flip_vertical and rng.random() < 0.5:
        flips.append(1)
    pixels, labels = pixels.flip(flips), labels.flip(flips)
    return relight(pixels, config, rng), labels.contiguous()


def _offset(full: int, part: int, rng: np.random.Generator) -> int:
    """Where a window of `part` pixels begins: inside if it fits, else such that the whole image is in it."""
    return int(rng.integers(0, full - part + 1)) if part <= full else -int(rng.integers(0, part - full + 1))


_LUMA = torch.tensor([0.299, 0.587, 0.114])
_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = torch.linalg.inv(_TO_YIQ)


def relight(pixels: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """Changes of light, colour and sharpness. Float [3, H, W] in 0..255."""

    def spread(amount: float) -> float:
        return float(rng.uniform(-amount, amount))

    pixels = pixels / 255.0
    if rng.random() < config.invert:
        pixels = 1.0 - pixels
    if config.gamma:
        pixels = pixels.clamp(1e-4, 1.0) ** float(np.exp(spread(np.log1p(config.gamma))))
    # Saturation, hue and the colour of the light are one matrix.
    turn, width = spread(config.hue), 1.0 + spread(config.saturation)
    if rng.random() < config.grey:
        width = 0.0
    rotate = torch.tensor([[1.0, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]], dtype=torch.float32)
    rotate[1:] *= width
    tint = torch.tensor([1.0 + spread(config.tint) for _ in range(3)])
    matrix = tint[:, None] * (_FROM_YIQ @ rotate @ _TO_YIQ)
    pixels = (matrix @ pixels.reshape(3, -1)).reshape(pixels.shape)
    middle = pixels.mean()
    pixels = (pixels - middle) * float(np.exp(spread(np.log1p(config.contrast)))) + middle + spread(config.brightness)
    if rng.random() < config.blur:
        pixels = F.avg_pool2d(F.pad(pixels[None], (1, 1, 1, 1), mode="replicate"), 3, stride=1)[0]
    pixels = pixels * 255.0
    if config.noise and rng.random() < 0.5:
        pixels = pixels + torch.randn(pixels.shape) * float(rng.uniform(0, config.noise))
    return pixels.clamp(0.0, 255.0)
