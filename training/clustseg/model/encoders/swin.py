"""Swin Transformer (Liu et al., ICCV 2021), the paper's largest encoder, with the names of the official state dicts.

As in the official detection code, any image size is taken: planes are padded to whole windows, and of every stage's features
a layer norm is handed out. The last stage's norm comes with the ImageNet weights; the others begin at one.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clustseg.model.encoders.published import DropPath, Standardised, depth_rates, load_published

_BLOCKS, _HEADS, _WIDTH = (2, 2, 18, 2), (4, 8, 16, 32), 128
# The side of a window. 12 is what weights made at 384 pixels have (ImageNet-22k, the paper's kind), 7 those at 224.
_WINDOWS = {"swin-b": 12, "swin-b-w7": 7}


class WindowAttention(nn.Module):
    """Multi-head self-attention inside windows, with a learned bias for every offset between two pixels."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.normal_(self.relative_position_bias_table, std=0.02)
        at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        apart = at[:, :, None] - at[:, None, :] + window - 1
        self.register_buffer("offset", apart[0] * (2 * window - 1) + apart[1], persistent=False)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, windows: Tensor, hidden: Tensor | None) -> Tensor:
        """windows [B * M, L, D] of M windows an image; hidden [M, L, L]: -inf where a pixel may not look, else 0."""
        count, length, channels = windows.shape
        query, key, value = self.qkv(windows).reshape(count, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.offset.flatten()].view(1, length, length, self.heads).permute(0, 3, 1, 2)
        if hidden is not None:
            bias = (bias + hidden.unsqueeze(1)).repeat(count // hidden.shape[0], 1, 1, 1)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return self.proj(mixed.transpose(1, 2).reshape(count, length, channels))


class SwinBlock(nn.Module):
    """Attention in windows, every other block in windows moved by half, then a feed-forward layer. [B, H, W, D] -> the same."""

    def __init__(self, channels: int, heads: int, window: int, shift: int, drop: float) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads, window)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(channels, 4 * channels), "fc2": nn.Linear(4 * channels, channels)})
        self.drop_path = DropPath(drop)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        x = x + self.drop_path(self._attend(self.norm1(x), hidden))
        return x + self.drop_path(self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x)))))

    def _attend(self, x: Tensor, hidden: Tensor) -> Tensor:
        batch, height, width, channels = x.shape
        side = self.window
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        tall, wide = x.shape[1:3]
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        windows = x.reshape(batch, tall // side, side, wide // side, side, channels).transpose(2, 3)
        mixed = self.attn(windows.reshape(-1, side * side, channels), hidden if self.shift else None)
        mixed = mixed.reshape(batch, tall // side, wide // side, side, side, channels).transpose(2, 3)
        x = mixed.reshape(batch, tall, wide, channels)
        if self.shift:
            x = x.roll((self.shift, self.shift), (1, 2))
        return x[:, :height, :width]


def hidden_pairs(height: int, width: int, window: int, shift: int, like: Tensor) -> Tensor:
    """Which pixels of the moved windows do not see each other, because one came round from the other border: [M, L, L]."""

    def part(length: int) -> Tensor:
        whole = length + -length % window
        at = torch.arange(whole, device=like.device)
        return (at >= whole - window).long() + (at >= whole - shift).long()

    region = part(height)[:, None] * 3 + part(width)[None, :]
    rows, columns = region.shape[0] // window, region.shape[1] // window
    region = region.reshape(rows, window, columns, window).transpose(1, 2).reshape(rows * columns, -1)
    apart = region[:, :, None] != region[:, None, :]
    return torch.zeros_like(apart, dtype=like.dtype).masked_fill(apart, -100.0)


class PatchMerging(nn.Module):
    """Four neighbouring pixels become one of twice the channels. [B, H, W, D] -> [B, H / 2, W / 2, 2 D]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        four = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], dim=-1)
        return self.reduction(self.norm(four))


class Swin(nn.Module):
    """Swin-B. Features at strides 4, 8, 16 and 32, cut after `deepest_stride`."""

    NAMES = tuple(_WINDOWS)

    def __init__(self, name: str = "swin-b", deepest_stride: int = 32, drop: float = 0.3) -> None:
        super().__init__()
        self.name, self.window = name, _WINDOWS[name]
        self.standardise = Standardised()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, _WIDTH, 4, 4), "norm": nn.LayerNorm(_WIDTH)})
        self.channels: dict[int, int] = {}
        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        count = sum(4 << index <= deepest_stride for index in range(len(_BLOCKS)))
        for index, rates in enumerate(depth_rates(_BLOCKS, drop)[:count]):
            channels = _WIDTH << index
            blocks = [
                SwinBlock(channels, _HEADS[index], self.window, self.window // 2 if at % 2 else 0, rate)
                for at, rate in enumerate(rates)
            ]
            stage = nn.ModuleDict({"blocks": nn.ModuleList(blocks)})
            if index + 1 < count:
                stage["downsample"] = PatchMerging(channels)
            self.layers.append(stage)
            self.norms.append(nn.LayerNorm(channels))
            self.channels[4 << index] = channels
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, rgb: Tensor) -> dict[int, Tensor]:
        x = self.patch_embed["proj"](self.standardise(rgb)).permute(0, 2, 3, 1)
        x = self.patch_embed["norm"](x)
        features: dict[int, Tensor] = {}
        for stride, stage, norm in zip(self.channels, self.layers, self.norms):
            hidden = hidden_pairs(x.shape[1], x.shape[2], self.window, self.window // 2, x)
            for block in stage["blocks"]:
                x = block(x, hidden)
            features[stride] = norm(x).permute(0, 3, 1, 2)
            if "downsample" in stage:
                x = stage["downsample"](x)
        return features

    def freeze_up_to(self, stride: int) -> None:
        """Keeps the patches' embedding and all stages up to the features of `stride` as they are; 0 freezes nothing."""
        if stride == 0:
            return
        self.patch_embed.requires_grad_(False)
        for at, stage in zip(self.channels, self.layers):
            if at <= stride:
                stage.requires_grad_(False)

    def load_published(self, path: Path | str) -> None:
        """ImageNet weights from an official file (swin_base_patch4_window12_384_22k.pth and its like). Raises WeightsError."""
        last = f"norms.{len(_BLOCKS) - 1}."
        untrained = [f"norms.{name}" for name in self.norms.state_dict() if not f"norms.{name}".startswith(last)]

        def renamed(name: str) -> str:
            return last + name.removeprefix("norm.") if name.startswith("norm.") else name

        load_published(self, path, renamed, untrained)
