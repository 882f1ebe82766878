"""Dreamy-Start: the initial cluster centres C(0), the only thing in which ClustSeg's tasks differ.

| task               | start                | centres |
|--------------------|----------------------|---------|
| superpixel         | GridStart            | one per cell of a regular grid: FFN(GridSample(PE(I))) |
| semantic, stuff    | ClassMemoryStart     | one per class: FFN(mean of the class's queue of pixel embeddings), scene-agnostic |
| instance, thing    | PeakStart            | as many as the scene has, where the image says so |
| instance, thing    | SceneAdaptiveStart   | the paper's form: K = 100, each pools FFN(PE(I)) |
| panoptic           | class and thing starts | concatenated: stuff and things in one softmax |

All starts return `Centres`; the decoder does not know which one made them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clustseg.model.rca import Centres


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
        self, classes: int, pixel_channels: int, centre_channels: int, size: int = 64, momentum: float = 0.9, first: str = "random"
    ) -> None:
        """`first`: what a queue holds before its class was seen: "random" stays in it until it has gone round, "seen" is
        replaced as a whole by the first pixels, without which a momentum of .999 would keep noise for most of a training."""
        super().__init__()
        if first not in ("random", "seen"):
            raise ValueError(f"first is 'random' or 'seen', not {first!r}")
        self.momentum = momentum
        self.ffn = feed_forward(pixel_channels, centre_channels)
        # Distinct from the first step on: equal centres would get equal pixels, and equal gradients.
        self.register_buffer("queue", torch.randn(classes, 1, pixel_channels).repeat(1, size, 1))
        # -1: nothing seen yet, and the first pixels are to fill the queue.
        self.register_buffer("next_slot", torch.full((classes,), -1 if first == "seen" else 0, dtype=torch.long))

    @torch.no_grad()
    def remember(self, embeddings: Tensor, labels: Tensor) -> None:
        """Puts the mean embedding of each class present into its queue. embeddings [P, Dx], labels [P] (-1: none)."""
        self.put(*self.sums_of(embeddings, labels))

    @torch.no_grad()
    def sums_of(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Of each class the sum of its embeddings [C, Dx] and their number [C]."""
        known = labels >= 0
        classes = self.queue.shape[0]
        sums = embeddings.new_zeros(classes, embeddings.shape[1]).index_add_(0, labels[known], embeddings[known])
        return sums, torch.bincount(labels[known], minlength=classes)

    @torch.no_grad()
    def put(self, sums: Tensor, counts: Tensor) -> None:
        """Puts the means of the classes that have a number into their queues."""
        present = counts.nonzero()[:, 0]
        means = sums[present] / counts[present].unsqueeze(1)
        slots = self.next_slot[present]
        fresh = slots < 0
        # The queue keeps what was seen lately; the momentum keeps one odd image from moving its class.
        held = self.queue[present].mean(dim=1)
        self.queue[present, slots.clamp_min(0)] = held.lerp(means, 1 - self.momentum)
        self.queue[present[fresh]] = means[fresh].unsqueeze(1)
        self.next_slot[present] = torch.where(fresh, 0, (slots + 1) % self.queue.shape[1])

    def forward(self, batch: int | Tensor) -> Centres:
        features = self.ffn(self.queue.mean(dim=1)).unsqueeze(0).expand(batch, -1, -1)
        places = features[..., :2] * 0.0
        return Centres(features, places, tightness=places[..., :1], prior=places[..., :1])


class PeakStart(nn.Module):
    """Scene-adaptive seeds at given places of the image: C(0) = FFN(features there). As many as the scene has.

    The places are the peaks of a learned centre map (universal.py); each seed has a place, and how tight its cluster is.
    """

    def __init__(self, pixel_channels: int, centre_channels: int) -> None:
        super().__init__()
        self.ffn = feed_forward(pixel_channels, centre_channels)
        self.tightness = nn.Linear(centre_channels, 1)

    def forward(self, embeddings: Tensor, positions: Tensor) -> Centres:
        """embeddings [N, K, Dx] and positions [N, K, 2] at the seeds -> centres [N, K, D]."""
        features = self.ffn(embeddings)
        tightness = torch.exp(self.tightness(features).clamp(-4.0, 4.0))
        return Centres(features, positions, tightness, torch.zeros_like(tightness))


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
