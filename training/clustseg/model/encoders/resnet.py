"""ResNet (He et al. 2016), the paper's smallest encoder, with the names of torchvision's state dicts.

As in detection, batch norm is frozen: a few large crops a GPU are too few to estimate statistics from. The stride of a stage
is taken by its 3 x 3 convolution, as torchvision's weights want it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from clustseg.model.encoders.published import Standardised, load_published

_BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}


class FrozenBatchNorm2d(nn.Module):
    """Batch norm whose statistics, scale and shift are constants. Tensors are named as in nn.BatchNorm2d."""

    def __init__(self, channels: int, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("weight", torch.full((channels,), scale))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * torch.rsqrt(self.running_var + 1e-5)
        shift = self.bias - self.running_mean * scale
        # In the type of the convolution before: single precision would double the memory under autocast.
        return x * scale.to(x.dtype).view(1, -1, 1, 1) + shift.to(x.dtype).view(1, -1, 1, 1)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a shortcut, to four times `width` channels."""

    def __init__(self, inputs: int, width: int, stride: int, residual_scale: float) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = FrozenBatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = FrozenBatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = FrozenBatchNorm2d(outputs, residual_scale)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), FrozenBatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Features at strides 2 (the stem), 4, 8, 16 and 32, cut after `deepest_stride`."""

    NAMES = tuple(_BLOCKS)

    def __init__(self, name: str = "resnet50", deepest_stride: int = 32) -> None:
        super().__init__()
        self.name = name
        self.standardise = Standardised()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = FrozenBatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.channels: dict[int, int] = {2: 64}
        self.strides: list[int] = []
        inputs, blocks = 64, _BLOCKS[name]
        # With frozen statistics nothing holds an untrained trunk together, so its branches begin small.
        scale = sum(blocks) ** -0.5
        for index, count in enumerate(blocks):
            stride, width = 4 << index, 64 << index
            if stride > deepest_stride:
                break
            stage = []
            for block in range(count):
                stage.append(Bottleneck(inputs, width, 2 if block == 0 and index > 0 else 1, scale))
                inputs = 4 * width
            self.add_module(f"layer{index + 1}", nn.Sequential(*stage))
            self.channels[stride] = inputs
            self.strides.append(stride)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stages(self) -> list[tuple[int, nn.Module]]:
        return [(stride, getattr(self, f"layer{index + 1}")) for index, stride in enumerate(self.strides)]

    def forward(self, rgb: Tensor) -> dict[int, Tensor]:
        x = self.relu(self.bn1(self.conv1(self.standardise(rgb))))
        features = {2: x}
        x = self.maxpool(x)
        for stride, stage in self.stages():
            x = stage(x)
            features[stride] = x
        return features

    def freeze_up_to(self, stride: int) -> None:
        """Keeps the stem and all stages up to the features of `stride` as they are; 0 freezes nothing."""
        if stride == 0:
            return
        self.conv1.requires_grad_(False)
        for at, stage in self.stages():
            if at <= stride:
                stage.requires_grad_(False)

    def load_published(self, path: Path | str) -> None:
        """ImageNet weights from a file with torchvision's names (resnet50-….pth). Raises WeightsError."""
        load_published(self, path, lambda name: name)
