"""Pixel encoders: what ships (EfficientNet-Lite), and the paper's (ResNet, Swin, ConvNeXt) for those with GPUs.

All take RGB in 0..255 as float [N, 3, H, W] and give a dict from stride to features [N, channels[stride], H / stride, W / stride];
`channels` says how wide they are before there is an image, and `freeze_up_to` keeps early weights as they are.
"""

from __future__ import annotations

from torch import nn

from clustseg.model.encoder import EfficientNetLite
from clustseg.model.encoders.convnext import ConvNeXt
from clustseg.model.encoders.resnet import ResNet
from clustseg.model.encoders.swin import Swin


def build_encoder(name: str, deepest_stride: int) -> nn.Module:
    """The encoder of that name, cut after the features of `deepest_stride`. Raises ValueError for a name that is none."""
    if name.startswith("efficientnet-lite"):
        return EfficientNetLite(name, deepest_stride)
    for kind in (ResNet, Swin, ConvNeXt):
        if name in kind.NAMES:
            return kind(name, deepest_stride)
    known = ["efficientnet-lite0", *ResNet.NAMES, *Swin.NAMES, *ConvNeXt.NAMES]
    raise ValueError(f"there is no encoder {name!r}; there are {', '.join(known)}")
