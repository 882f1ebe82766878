"""Dreamy-Start: the initial cluster centres C(0), the only thing in which ClustSeg's tasks differ.

| task               | start                | centres |
|--------------------|----------------------|---------|
| superpixel         | GridStart            | one per cell of a regular grid: FFN(GridSample(PE(I))) |
| semantic, stuff    | ClassMemoryStart     | one per class: FFN(mean of the class's queue of pixel embeddings), scene-agnostic |
| instance, thing    | SceneAdaptiveStart   | K, emerging from the image: FFN(PE(I)) |
| panoptic           | both of the last two | concatenated: stuff and things in one softmax |

All starts return `Centres`; the decoder does not know which one made them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .rca import Centres


def feed_forward(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Linear(outputs, outputs))


class GridStart(nn.Module):
    """Seeds on a regular grid. pixels [N, R, C, Dx + 3, P] -> centres [N, R, C, D] in the middle of their cells.

    `start="random"` is the ablation's blind start: features drawn from a normal distribution, not from the image.
    """

    def __init__(self, pixel_channels: int, centre_channels: int, start: str = "grid") -> None:
        super().__init__()
        if start not in ("grid", "random"):
            raise ValueError(f"start is 'grid' or 'random', not {start!r}")
        self.start = start
        self.ffn = feed_forward(pixel_channels, centre_channels)

    def forward(self, pixels: Tensor) -> Centres:
        sampled = pixels.mean(dim=-1)
        features, positions = sampled[..., :-3], sampled[..., -3:-1]
        if self.start == "random":
            return Centres(self.ffn(torch.randn_like(features)), torch.rand_like(positions) - 0.5)
        return Centres(self.ffn(features), positions)


class ClassMemoryStart(nn.Module):
    """One centre per class from a memory bank: a first-in-first-out queue of pixel embeddings, momentum-updated in training.

    After training the memory is frozen, and with it the centres: the same for every image.
    """

    def __init__(
        self, classes: int, pixel_channels: int, centre_channels: int, size: int = 128, momentum: float = 0.999
    ) -> None:
        super().__init__()
        self.momentum = momentum
        self.ffn = feed_forward(pixel_channels, centre_channels)
        self.register_buffer("queue", torch.randn(classes, size, pixel_channels) * 0.02)
        self.register_buffer("next_slot", torch.zeros(classes, dtype=torch.long))

    @torch.no_grad()
    def remember(self, embeddings: Tensor, labels: Tensor) -> None:
        """Puts the mean embedding of each class present into its queue. embeddings [P, Dx], labels [P] (-1: none)."""
        for label in labels.unique().tolist():
            if label < 0:
                continue
            mean = embeddings[labels == label].mean(dim=0)
            slot = int(self.next_slot[label])
            blended = self.momentum * self.queue[label].mean(dim=0) + (1 - self.momentum) * mean
            # The queue keeps what was seen; the momentum keeps one odd image from moving its class.
            self.queue[label, slot] = torch.where(self.queue[label, slot].abs().sum() == 0, mean, blended)
            self.next_slot[label] = (slot + 1) % self.queue.shape[1]

    def forward(self, batch: int) -> Centres:
        features = self.ffn(self.queue.mean(dim=1)).unsqueeze(0).expand(batch, -1, -1)
        return Centres(features, features.new_zeros(batch, features.shape[1], 2))


class SceneAdaptiveStart(nn.Module):
    """K centres that emerge from the image: each pools the position-embedded pixels with a learned map of its own.

    pixels [N, Dx + 3, P] -> centres [N, K, D].
    """

    def __init__(self, centres: int, pixel_channels: int, centre_channels: int) -> None:
        super().__init__()
        self.pool = nn.Conv1d(pixel_channels + 2, centres, 1)
        self.ffn = feed_forward(pixel_channels + 2, centre_channels)

    def forward(self, pixels: Tensor) -> Centres:
        embedded = pixels[:, :-1]
        weights = F.softmax(self.pool(embedded), dim=-1)
        pooled = torch.matmul(weights, embedded.transpose(-1, -2))
        return Centres(self.ffn(pooled), pooled[..., -2:])
