"""Superpixel losses: labels and positions reconstructed through the soft assignment.

Paper: smooth-L1 with weight 10 and the SLIC loss with weight 1. The SLIC loss (Jampani et al., SSN, ECCV 2018) is the
cross-entropy of the reconstructed labels plus the squared error of the reconstructed positions; smooth-L1 is taken between
reconstructed and true one-hot labels. Each term has a weight, and zero switches it off.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clustseg.model.grid import cell_positions, to_cells
from clustseg.model.rca import GridNeighbourhood, e_step


@dataclass(frozen=True)
class LossWeights:
    """Weights of the superpixel loss. `position` is the exchange between boundary accuracy and compactness."""

    smooth_l1: float = 10.0
    slic: float = 1.0
    position: float = 0.03
    # What the E-steps before the last one weigh together; 0 supervises the last one only.
    deep_supervision: float = 0.5


def reconstruct(assignment: Tensor, truth: Tensor, neighbourhood: GridNeighbourhood) -> Tensor:
    """Every pixel's label distribution as its clusters hold it: assignment [N, R, C, 9, P], one-hot truth [N, R, C, L, P] -> the same.

    A cluster holds the assignment-weighted mean of its pixels' labels.
    """
    sums = neighbourhood.collected(torch.matmul(assignment, truth.transpose(-1, -2)))
    held = neighbourhood.around(sums / sums.sum(dim=-1, keepdim=True).clamp_min(1e-6))
    return torch.matmul(held.transpose(-1, -2), assignment)


def position_error(assignment: Tensor, where: Tensor, neighbourhood: GridNeighbourhood) -> Tensor:
    """Mean squared distance, in cells, between a pixel and the middle of its clusters. where [N, R, C, 3, P]."""
    sums, mass = neighbourhood.gather(torch.matmul(assignment, where.transpose(-1, -2)))
    middle = neighbourhood.around_positions(sums / mass.clamp_min(1e-6))
    return (torch.matmul(middle.transpose(-1, -2), assignment) - where[..., :2, :]).square().sum(dim=-2).mean()


def one_hot_cells(labels: Tensor, classes: int, stride: int, rows: int, columns: int) -> Tensor:
    """Labels [N, H, W] -> one-hot [N, R, C, classes, P], every `stride`-th pixel."""
    coarse = labels[:, None, stride // 2 :: stride, stride // 2 :: stride]
    names = torch.arange(classes, device=labels.device).view(-1, 1)
    return (to_cells(coarse, rows, columns) == names).float()


def superpixel_loss(
    steps: list[tuple[int, Tensor]], labels: Tensor, classes: int, rows: int, columns: int, weights: LossWeights
) -> tuple[Tensor, dict[str, float]]:
    """The loss over every E-step's logits (as SuperpixelClustSeg.forward returns them) for labels [N, H, W] < classes."""
    neighbourhood = GridNeighbourhood().to(labels.device)
    targets: dict[int, tuple[Tensor, Tensor]] = {}
    total = labels.new_zeros((), dtype=torch.float32)
    parts: dict[str, float] = {}
    for index, (stride, logits) in enumerate(steps):
        last = index == len(steps) - 1
        weight = 1.0 if last else weights.deep_supervision / (len(steps) - 1)
        if weight == 0.0:
            continue
        if stride not in targets:
            height, width = labels.shape[1] // stride, labels.shape[2] // stride
            where = cell_positions(height, width, rows, columns, logits).expand(labels.shape[0], -1, -1, -1)
            targets[stride] = (one_hot_cells(labels, classes, stride, rows, columns), to_cells(where, rows, columns))
        truth, where = targets[stride]
        assignment = e_step(logits)
        rebuilt = reconstruct(assignment, truth, neighbourhood)
        likelihood = (truth * rebuilt).sum(dim=-2)
        entropy = -likelihood.clamp_min(1e-6).log().mean()
        # Smooth-L1 is half the square here, as no difference of two distributions exceeds one.
        smooth = 0.5 * (rebuilt.square().sum(dim=-2) - 2 * likelihood + 1).mean()
        distance = position_error(assignment, where, neighbourhood)
        total = total + weight * (
            weights.smooth_l1 * smooth + weights.slic * entropy + weights.position * distance
        )
        if last:
            parts = {"cross_entropy": entropy.item(), "smooth_l1": smooth.item(), "position": distance.item()}
    return total, parts
