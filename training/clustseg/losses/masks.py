"""Losses of the mask tasks. Every E-step's assignment is the prediction, so every E-step is supervised.

Paper: semantic cross-entropy 5 and dice 1; instance BCE 5 and dice 2 on masks. Pixels have one winner, so what is BCE on free
masks there is cross-entropy over the clusters here. Scores are compared at a sample of points of the image, to which pixel
vectors are interpolated (scores are linear in them): PointRend's way (Kirillov et al., CVPR 2020), whose cost does not grow
with clusters x pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from clustseg.model.universal import EStep


@dataclass(frozen=True)
class MaskLossWeights:
    """Zero switches a term off."""

    cross_entropy: float = 5.0
    dice: float = 2.0
    # Class of a seed, the centre map's focal loss, the offsets' L1.
    classes: float = 2.0
    centre_map: float = 1.0
    offsets: float = 1.0
    # What all E-steps before the last one weigh together.
    deep_supervision: float = 0.5
    # What "no object" weighs among the classes of seeds.
    no_object: float = 0.5


def sample_points(candidates: Tensor, preferred: Tensor, count: int) -> Tensor:
    """`count` flat pixel addresses [count]: half from all `candidates` [H, W], half from those `preferred` too."""
    flat = candidates.reshape(-1).nonzero()[:, 0]
    if len(flat) == 0:
        return torch.zeros(count, dtype=torch.long)
    liked = (candidates & preferred).reshape(-1).nonzero()[:, 0]
    second = liked if len(liked) else flat
    half = count // 2
    return torch.cat([flat[torch.randint(len(flat), (count - half,))], second[torch.randint(len(second), (half,))]])


def vectors_at(plane: Tensor, points: Tensor, height: int, width: int) -> Tensor:
    """Bilinear samples [N, D, P] of a level [N, D, h, w] at the middles of image pixels `points` [N, P] (flat addresses)."""
    y = (torch.div(points, width, rounding_mode="floor") + 0.5) * (2.0 / height) - 1.0
    x = (points % width + 0.5) * (2.0 / width) - 1.0
    grid = torch.stack([x, y], dim=-1).unsqueeze(1)
    return F.grid_sample(plane, grid, mode="bilinear", padding_mode="border", align_corners=False).squeeze(2)


def assignment_loss(
    steps: list[EStep],
    points: Tensor,
    targets: Tensor,
    size: tuple[int, int],
    weights: MaskLossWeights,
    class_weights: Tensor | None = None,
    dice_over_batch: bool = False,
) -> tuple[Tensor, dict[str, float]]:
    """Cross-entropy over clusters and dice of each E-step. points, targets int64 [N, P]; targets -1 = not counted.

    `class_weights` [K] where clusters are classes. Dice is taken for each cluster that has pixels, over each image or
    (`dice_over_batch`, for classes) over the batch.
    """
    earlier = len(steps) - 1
    total = targets.new_zeros((), dtype=torch.float32)
    parts: dict[str, float] = {}
    sampled: dict[tuple[int, bool], Tensor] = {}
    for index, step in enumerate(steps):
        last = index == earlier
        weight = 1.0 if last else weights.deep_supervision / earlier
        if weight == 0.0:
            continue
        # The earlier steps are there to be on the way: a third of the points tells.
        at, truth = (points, targets) if last else (points[:, ::3], targets[:, ::3])
        if step.query.shape[1] < step.pixels.shape[1]:
            # Fewer clusters than features: scores first, then points.
            logits = vectors_at(step.scores(), at, *size)
        else:
            key = step.stride, last
            if key not in sampled:
                sampled[key] = vectors_at(step.pixels, at, *size)
            logits = torch.matmul(step.query, sampled[key])
        entropy = cluster_cross_entropy(logits, truth, class_weights)
        overlap = dice_loss(logits, truth, dice_over_batch) if weights.dice else entropy * 0.0
        total = total + weight * (weights.cross_entropy * entropy + weights.dice * overlap)
        if last:
            parts = {"entropy": entropy.item(), "dice": overlap.item()}
    return total, parts


def cluster_cross_entropy(logits: Tensor, targets: Tensor, class_weights: Tensor | None) -> Tensor:
    """Mean over known points. logits [N, K, P], targets [N, P]."""
    if not (targets >= 0).any():
        return logits.sum() * 0.0
    return F.cross_entropy(logits, targets, weight=class_weights, ignore_index=-1)


def dice_loss(logits: Tensor, targets: Tensor, over_batch: bool) -> Tensor:
    """1 - dice, mean over the clusters that have points. logits [N, K, P], targets [N, P]."""
    known = (targets >= 0).unsqueeze(1)
    shares = logits.softmax(dim=1) * known
    truth = torch.zeros_like(shares).scatter_(1, targets.clamp_min(0).unsqueeze(1), 1.0) * known
    axes = (0, 2) if over_batch else (2,)
    both, sum_truth = (shares * truth).sum(axes), truth.sum(axes)
    dice = (2 * both + 1.0) / (shares.sum(axes) + sum_truth + 1.0)
    present = sum_truth > 0
    return (1.0 - dice[present]).mean() if present.any() else logits.sum() * 0.0


def centre_map_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """CenterNet's focal loss (alpha 2, beta 4) over the number of objects. All [N, h, w]."""
    middle = (target > 0.999).float() * known
    log_yes, log_no = F.logsigmoid(logits), F.logsigmoid(-logits)
    yes = torch.sigmoid(logits)
    hit = middle * (1 - yes).square() * log_yes
    miss = (1 - middle) * known * (1 - target).pow(4) * yes.square() * log_no
    return -(hit.sum() + miss.sum()) / middle.sum().clamp_min(1.0)


def offset_loss(offsets: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Mean L1 in position units. offsets, target [N, 2, h, w], known bool [N, h, w]."""
    if not known.any():
        return offsets.sum() * 0.0
    return ((offsets - target).abs().sum(dim=1) * known).sum() / known.sum()
