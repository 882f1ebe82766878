"""Axial attention (Wang et al., Axial-DeepLab, ECCV 2020), the block of ClustSeg's pixel decoder on its coarse levels.

Each pixel attends to its column, then to its row: two steps see the whole image at the cost of its sides, not of its area.
The position enters by a depthwise convolution before it (Chu et al., CPVT), which needs no table for a fixed image size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LineAttention(nn.Module):
    """Multi-head self-attention along the last but one dimension: [B, L, D] -> [B, L, D]."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not divide into {heads} heads")
        self.heads, self.depth = heads, channels // heads
        self.norm = nn.LayerNorm(channels)
        self.mix = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """`hidden` [B, L], true where an entry is padding that nobody may attend to."""
        batch, length, channels = x.shape
        query, key, value = self.mix(self.norm(x)).reshape(batch, length, 3, self.heads, self.depth).permute(2, 0, 3, 1, 4)
        scores = torch.matmul(query, key.transpose(-1, -2)) * self.depth**-0.5
        if hidden is not None:
            scores = scores - hidden.to(scores.dtype).view(batch, 1, 1, length) * 1e4
        mixed = torch.matmul(scores.softmax(dim=-1), value)
        return x + self.out(mixed.transpose(1, 2).reshape(batch, length, channels))


class AxialBlock(nn.Module):
    """Position by convolution, attention along columns and rows, and a feed-forward layer. [N, D, H, W] -> the same."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.place = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.down = LineAttention(channels, heads)
        self.across = LineAttention(channels, heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 2 * channels), nn.ReLU(inplace=True), nn.Linear(2 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        x = x + self.place(x)
        columns = self.down(x.permute(0, 3, 2, 1).reshape(batch * width, height, channels))
        rows = columns.reshape(batch, width, height, channels).transpose(1, 2).reshape(batch * height, width, channels)
        rows = self.across(rows)
        rows = rows + self.feed_forward(rows)
        return rows.reshape(batch, height, width, channels).permute(0, 3, 1, 2)
