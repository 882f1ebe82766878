"""sRGB to CIE LAB (D65), on tensors, so that the exported graph does it itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RgbToLab(nn.Module):
    """RGB in 0..255 as float [N, 3, H, W] -> LAB as float [N, 3, H, W], L in 0..100.

    Powers are written as exp and log, which run several times faster than a power function in ONNX runtimes.
    """

    def __init__(self) -> None:
        super().__init__()
        to_xyz = torch.tensor(
            [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
            dtype=torch.float64,
        )
        to_lab = torch.tensor([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]], dtype=torch.float64)
        white = to_xyz.sum(dim=1, keepdim=True)
        self.register_buffer("to_xyz", (to_xyz / white).float().view(3, 3, 1, 1), persistent=False)
        self.register_buffer("to_lab", to_lab.float().view(3, 3, 1, 1), persistent=False)
        self.register_buffer("offset", torch.tensor([-16.0, 0.0, 0.0]), persistent=False)

    def forward(self, rgb: Tensor) -> Tensor:
        code = rgb / 255.0
        linear = torch.where(code > 0.04045, torch.exp(2.4 * torch.log((code + 0.055) / 1.055)), code / 12.92)
        xyz = F.conv2d(linear, self.to_xyz)
        root = torch.where(xyz > 216 / 24389, torch.exp(torch.log(xyz.clamp_min(1e-6)) / 3), xyz * (841 / 108) + 4 / 29)
        return F.conv2d(root, self.to_lab, self.offset)
