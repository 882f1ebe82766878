"""ConvNeXt-B (Liu et al., CVPR 2022) with the names of the official state dicts."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clustseg.model.encoders.published import DropPath, Standardised, depth_rates, load_published

_BLOCKS, _WIDTH = (3, 3, 27, 3), 128


class PlaneNorm(nn.LayerNorm):
    """Layer norm over the channels of [N, D, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    """7x7 depthwise, norm, and a feed-forward layer at each pixel, whose output `gamma` lets in."""

    def __init__(self, channels: int, drop: float) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.full((channels,), 1e-6))
        self.drop_path = DropPath(drop)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))
        return x + self.drop_path(y.permute(0, 3, 1, 2))


class ConvNeXt(nn.Module):
    """ConvNeXt-B. Features at strides 4, 8, 16 and 32, cut after `deepest_stride`."""

    NAMES = ("convnext-b",)

    def __init__(self, name: str = "convnext-b", deepest_stride: int = 32, drop: float = 0.4) -> None:
        super().__init__()
        self.name = name
        self.standardise = Standardised()
        self.channels: dict[int, int] = {}
        self.downsample_layers, self.stages, self.norms = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for index, rates in enumerate(depth_rates(_BLOCKS, drop)):
            stride, channels = 4 << index, _WIDTH << index
            if stride > deepest_stride:
                break
            if index == 0:
                reduce = nn.Sequential(nn.Conv2d(3, channels, 4, 4), PlaneNorm(channels))
            else:
                reduce = nn.Sequential(PlaneNorm(channels // 2), nn.Conv2d(channels // 2, channels, 2, 2))
            self.downsample_layers.append(reduce)
            self.stages.append(nn.Sequential(*(ConvNeXtBlock(channels, rate) for rate in rates)))
            self.norms.append(PlaneNorm(channels))
            self.channels[stride] = channels
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, rgb: Tensor) -> dict[int, Tensor]:
        x = self.standardise(rgb)
        features: dict[int, Tensor] = {}
        for stride, reduce, stage, norm in zip(self.channels, self.downsample_layers, self.stages, self.norms):
            x = stage(reduce(x))
            features[stride] = norm(x)
        return features

    def freeze_up_to(self, stride: int) -> None:
        """Keeps all stages up to the features of `stride` as they are; 0 freezes nothing."""
        for at, reduce, stage in zip(self.channels, self.downsample_layers, self.stages):
            if at <= stride:
                reduce.requires_grad_(False)
                stage.requires_grad_(False)

    def load_published(self, path: Path | str) -> None:
        """ImageNet weights from an official file (convnext_base_….pth). The classifier's norm belongs to pooled features
        and is not used. Raises WeightsError."""
        load_published(self, path, lambda name: name, [f"norms.{name}" for name in self.norms.state_dict()])
