"""Depthwise convolution that trains fast on a CPU.

In bfloat16 oneDNN's backward passes of depthwise convolutions fall back to a slow path, other than for 3 x 3 with stride 1: a
5 x 5 kernel takes 3 to 10 times what single precision takes (measured with PyTorch 2.13, one thread, AVX-512 BF16). So the
forward pass keeps autocast's type and the backward pass is done in single precision.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding, ctx.has_bias = stride, padding, bias is not None
        return F.conv2d(x, weight, bias, stride, padding, groups=weight.shape[0])

    @staticmethod
    def backward(ctx, gradient: Tensor):
        x, weight = ctx.saved_tensors
        stride, padding = [ctx.stride] * 2, [ctx.padding] * 2
        groups = weight.shape[0]
        of_x, of_weight, of_bias = torch.ops.aten.convolution_backward(
            gradient.float(), x.float(), weight.float(), [groups] if ctx.has_bias else None, stride, padding, [1, 1], False, [0, 0],
            groups, [ctx.needs_input_grad[0], True, ctx.has_bias],
        )  # fmt: skip
        of_x = None if of_x is None else of_x.to(x.dtype)
        return of_x, of_weight.to(weight.dtype), None if of_bias is None else of_bias.to(weight.dtype), None, None


class DepthwiseConv2d(nn.Conv2d):
    """nn.Conv2d with one filter a channel; parameters and results are the same."""

    def __init__(self, channels: int, kernel: int, stride: int = 1, bias: bool = True) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        slow = self.kernel_size[0] != 3 or self.stride[0] != 1
        if slow and torch.is_grad_enabled() and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            kind = torch.get_autocast_dtype("cpu")
            bias = None if self.bias is None else self.bias.to(kind)
            return _Depthwise.apply(x.to(kind), self.weight.to(kind), bias, self.stride[0], self.padding[0])
        return super().forward(x)
