"""Pixel decoder: fuses the encoder's features coarse to fine and hands out a feature map at every level that RCA reads.

A level is one depthwise-separable block after a sum of the lateral and the upsampled features (FPN, Lin et al. 2017). The
paper's axial blocks on the coarsest levels are there for tasks that need the whole image to be seen (`axial`).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from clustseg.model.axial import AxialBlock
from clustseg.model.depthwise import DepthwiseConv2d


def conv_norm(inputs: int, outputs: int, kernel: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution (`groups`: 1, or as many as channels) and batch norm, which the export folds into one convolution."""
    if groups == 1:
        conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    else:
        conv = DepthwiseConv2d(outputs, kernel, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class FuseLevel(nn.Module):
    """lateral(x_l) + upsample(reduce(y_(l+1))), then one block that mixes space and channels."""

    def __init__(
        self, lateral: int | None, coarser: int, outputs: int, separable: bool, doubles: bool, kernel: int = 5
    ) -> None:
        super().__init__()
        self.doubles = doubles
        self.lateral = nn.Identity() if lateral is None else conv_norm(lateral, outputs)
        self.reduce = conv_norm(coarser, outputs)
        if separable:
            self.mix = nn.Sequential(
                conv_norm(outputs, outputs, kernel, groups=outputs), conv_norm(outputs, outputs), nn.ReLU(inplace=True)
            )
        else:
            self.mix = nn.Sequential(conv_norm(outputs, outputs, 3), nn.ReLU(inplace=True))

    def forward(self, lateral: Tensor, coarser: Tensor) -> Tensor:
        # A constant factor, where it is one, lets ONNX runtimes keep their blocked layout: half the time of a free size.
        how = {"scale_factor": 2.0} if self.doubles else {"size": lateral.shape[-2:]}
        up = F.interpolate(self.reduce(coarser), mode="bilinear", align_corners=False, **how)
        return self.mix(F.relu(self.lateral(lateral) + up))


class PixelDecoder(nn.Module):
    """Features by stride in, features by stride out.

    `channels`: encoder channels by stride. `widths`: decoder channels by stride, from the encoder's deepest stride down to
    the finest wanted, which may be 1: that level's lateral input is a small convolution of the raw colours. `whole_stride`:
    images are whole multiples of it, so that levels up to that stride double exactly. `axial`: axial blocks by stride; `kernels`:
    sides of the depthwise kernels, 5 where none is given.
    """

    def __init__(
        self,
        channels: dict[int, int],
        widths: dict[int, int],
        colour_channels: int,
        whole_stride: int = 1,
        axial: dict[int, int] | None = None,
        kernels: dict[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.strides = sorted(widths, reverse=True)
        deepest = self.strides[0]
        self.top = nn.Sequential(conv_norm(channels[deepest], widths[deepest]), nn.ReLU(inplace=True))
        self.colour_stem = None
        levels: dict[str, nn.Module] = {}
        for coarser, stride in zip(self.strides, self.strides[1:]):
            lateral = channels.get(stride)
            if lateral is None:
                if stride != 1:
                    raise ValueError(f"the encoder has no features at stride {stride}")
                self.colour_stem = conv_norm(colour_channels, widths[1], 3)
            levels[str(stride)] = FuseLevel(
                lateral, widths[coarser], widths[stride], separable=stride > 1, doubles=2 * stride <= whole_stride, kernel=(kernels or {}).get(stride, 5)
            )
        self.levels = nn.ModuleDict(levels)
        self.axial = nn.ModuleDict(
            {str(stride): nn.Sequential(*(AxialBlock(widths[stride]) for _ in range(n))) for stride, n in (axial or {}).items()}
        )

    def forward(self, features: dict[int, Tensor], colours: Tensor) -> dict[int, Tensor]:
        y = self.top(features[self.strides[0]])
        y = self._seen_whole(self.strides[0], y)
        out = {self.strides[0]: y}
        for stride in self.strides[1:]:
            lateral = self.colour_stem(colours) if stride == 1 and self.colour_stem is not None else features[stride]
            y = self._seen_whole(stride, self.levels[str(stride)](lateral, y))
            out[stride] = y
        return out

    def _seen_whole(self, stride: int, y: Tensor) -> Tensor:
        return self.axial[str(stride)](y) if str(stride) in self.axial else y
