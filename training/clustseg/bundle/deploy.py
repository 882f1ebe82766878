"""From a trained network to the one that ships: batch norm folded into convolutions, weights rounded to what is stored."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

# Tensors below this many numbers stay in fp32: they are biases and precisions, and save nothing.
HALF_FROM = 256


def deployed(network: nn.Module, half: bool = True) -> nn.Module:
    """A copy for inference without batch norm, whose large weights hold values that fp16 can store.

    The exported graph stores these weights as fp16 and computes in fp32, so it and this copy agree.
    """
    shipped = copy.deepcopy(network).eval()
    for module in list(shipped.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module)
    if half:
        with torch.no_grad():
            for parameter in shipped.parameters():
                if parameter.numel() >= HALF_FROM:
                    parameter.copy_(parameter.half().float())
    return shipped


def _fold(sequence: nn.Sequential) -> None:
    for index in range(len(sequence) - 1):
        convolution, norm = sequence[index], sequence[index + 1]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            sequence[index] = fuse_conv_bn_eval(convolution, norm)
            sequence[index + 1] = nn.Identity()
