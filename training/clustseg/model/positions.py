"""PE(I): positions as sines and cosines that are added to pixel features (Vaswani et al. 2017; in two dimensions Carion et al.,
DETR, ECCV 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sine_positions(like: Tensor, temperature: float = 10000.0) -> Tensor:
    """[1, D, h, w] for features [N, D, h, w], D a multiple of four: half of the channels tell y, half x, each as parts of the
    image's side, so that all levels share one frame."""
    channels, height, width = like.shape[1:]
    if channels % 4:
        raise ValueError(f"positions are added to a multiple of four channels, not to {channels}")
    steps = torch.arange(channels // 4, device=like.device, dtype=like.dtype)
    frequency = 2 * math.pi * temperature ** (-4.0 * steps / channels)

    def waves(length: int) -> Tensor:
        at = (torch.arange(length, device=like.device, dtype=like.dtype) + 0.5) / length
        angle = frequency[:, None] * at[None, :]
        return torch.cat([angle.sin(), angle.cos()])

    y = waves(height)[:, :, None].expand(-1, height, width)
    x = waves(width)[:, None, :].expand(-1, height, width)
    return torch.cat([y, x]).unsqueeze(0)
