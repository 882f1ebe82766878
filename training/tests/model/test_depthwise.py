"""The fast depthwise convolution is nn.Conv2d: same parameters, results and gradients."""

import pytest
import torch
from torch import nn

from clustseg.model.depthwise import DepthwiseConv2d, _Depthwise


def pair(kernel: int, stride: int, bias: bool) -> tuple[DepthwiseConv2d, nn.Conv2d, torch.Tensor]:
    torch.manual_seed(kernel * 10 + stride)
    fast = DepthwiseConv2d(6, kernel, stride, bias)
    plain = nn.Conv2d(6, 6, kernel, stride, kernel // 2, groups=6, bias=bias)
    plain.load_state_dict(fast.state_dict())
    return fast, plain, torch.randn(2, 6, 11, 14)


def gradients(module: nn.Module, x: torch.Tensor, run=None) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    module.zero_grad()
    out = (run or module)(x)
    weight = torch.linspace(-1, 1, out.numel()).view(out.shape)
    (out.float() * weight).sum().backward()
    return [out.detach().float(), x.grad, *(parameter.grad for parameter in module.parameters())]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_gradients_equal_conv2ds_in_single_precision(kernel, stride, bias):
    fast, plain, x = pair(kernel, stride, bias)
    own = gradients(fast, x, lambda x: _Depthwise.apply(x, fast.weight, fast.bias, stride, kernel // 2))
    for got, wanted in zip(own, gradients(plain, x), strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
    for got, wanted in zip(gradients(fast, x), gradients(plain, x), strict=True):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_under_autocast_gradients_are_near_those_of_single_precision(kernel, stride):
    fast, plain, x = pair(kernel, stride, True)
    exact = gradients(plain, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = gradients(fast, x)
    for rough, wanted in zip(got, exact, strict=True):
        assert rough.dtype == torch.float32
        assert (rough - wanted).norm() < 0.02 * wanted.norm()


def test_without_gradients_it_is_the_plain_convolution():
    fast, plain, x = pair(5, 1, True)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(fast(x), plain(x))
    assert torch.equal(fast(x), plain(x))


def test_an_input_without_a_gradient_gets_none():
    fast, _, x = pair(5, 2, True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fast(x).float().sum().backward()
    assert x.grad is None and fast.weight.grad.abs().max() > 0 and fast.bias.grad.abs().max() > 0
