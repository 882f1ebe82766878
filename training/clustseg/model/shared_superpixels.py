"""Superpixels by the network that also answers the mask tasks: its trunk, two finer decoder levels and the grid start.

The trunk keeps its weights; what is trained is what superpixels need and masks do not: features at strides 2 and 1, and RCA
layers over the 3 x 3 nearest seeds.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clustseg.model.color import RgbToLab
from clustseg.model.decoder import FuseLevel, conv_norm
from clustseg.model.network import SuperpixelClustSeg, SuperpixelConfig
from clustseg.model.universal import UniversalClustSeg

WIDTHS = {4: 32, 2: 32, 1: 16}


class FinerLevels(nn.Module):
    """Features and LAB at strides 4, 2 and 1, in the form of network.ClustSeg, from the trunk's at 4 and the encoder's at 2."""

    def __init__(self, coarse: int, lateral: int) -> None:
        super().__init__()
        self.lab = RgbToLab()
        self.narrow = nn.Sequential(conv_norm(coarse, WIDTHS[4]), nn.ReLU(inplace=True))
        self.two = FuseLevel(lateral, WIDTHS[4], WIDTHS[2], separable=True, doubles=True, kernel=3)
        self.colour_stem = conv_norm(3, WIDTHS[1], 3)
        self.one = FuseLevel(None, WIDTHS[2], WIDTHS[1], separable=False, doubles=True)

    def forward(self, image: Tensor, early: Tensor, coarse: Tensor) -> dict[int, tuple[Tensor, Tensor]]:
        """image [N, 3, H, W] in 0..255, H and W multiples of 4; early [N, ., H / 2, W / 2]; coarse [N, ., H / 4, W / 4]."""
        with torch.autocast(image.device.type, enabled=False):
            colours = (self.lab(image) - image.new_tensor([50.0, 0.0, 0.0]).view(1, 3, 1, 1)) / 25.0
        four = self.narrow(coarse)
        two = self.two(early, four)
        one = self.one(self.colour_stem(colours), two)
        features = {4: four, 2: two, 1: one}
        return {
            stride: (plane.to(colours.dtype), F.avg_pool2d(colours, stride) if stride > 1 else colours)
            for stride, plane in features.items()
        }


class SharedBackbone(nn.Module):
    """A frozen mask network's trunk, then FinerLevels. Stands where network.ClustSeg does."""

    def __init__(self, trunk: UniversalClustSeg) -> None:
        super().__init__()
        self.trunk = [trunk]  # a list hides it from parameters(), state_dict() and train()
        self.finer = FinerLevels(trunk.config.widths[4], trunk.encoder.channels[2])

    def forward(self, image: Tensor) -> dict[int, tuple[Tensor, Tensor]]:
        height, width = image.shape[-2:]
        with torch.no_grad():
            early, coarse = trunk_features(self.trunk[0], padded(image, self.trunk[0].config.deepest_stride))
        return self.finer(image, *cut_to(early, coarse, height, width))


def padded(image: Tensor, whole: int) -> Tensor:
    """The border repeated to whole multiples. [N, 3, H, W]."""
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % whole, 0, -height % whole), mode="replicate")


def trunk_features(trunk: UniversalClustSeg, image: Tensor) -> tuple[Tensor, Tensor]:
    """The encoder's features at stride 2 and the decoder's at stride 4."""
    encoded = trunk.encoder(image)
    return encoded[2], trunk.decoder(encoded, image)[4]


def cut_to(early: Tensor, coarse: Tensor, height: int | Tensor, width: int | Tensor) -> tuple[Tensor, Tensor]:
    """Without the padding of an image of height x width, multiples of 4."""
    return early[..., : height // 2, : width // 2], coarse[..., : height // 4, : width // 4]


def shared_superpixels(trunk: UniversalClustSeg) -> SuperpixelClustSeg:
    """A superpixel network on a mask network's trunk."""
    trunk.eval().requires_grad_(False)
    return SuperpixelClustSeg(SuperpixelConfig(widths=WIDTHS, encoder=trunk.config.encoder), SharedBackbone(trunk))
