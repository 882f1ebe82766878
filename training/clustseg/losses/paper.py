"""Losses of seeds that are matched to objects by their masks: the paper's, as switches.

    panoptic   5 things + 3 stuff + 1 auxiliary, and auxiliary = PQ-style loss, mask-id cross-entropy, instance discrimination and
               semantic cross-entropy (Wang et al., MaX-DeepLab, CVPR 2021, whose weights among the four are taken)
    instance   5 binary cross-entropy + 2 dice on masks (Cheng et al., Mask2Former, CVPR 2022), and the class of each seed

A mask is a cluster's column of the assignment M, so that its value at a pixel is the softmax over clusters. All functions take
scores at a sample of points of each image (losses/masks.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor


@dataclass(frozen=True)
class PaperLossWeights:
    """Zero switches a term off. The defaults are the panoptic ones."""

    # Groups of terms: masks of things, masks of stuff, what helps them.
    thing: float = 5.0
    stuff: float = 3.0
    auxiliary: float = 1.0
    # In the masks of both: cross-entropy (binary for things), dice.
    entropy: float = 1.0
    dice: float = 1.0
    # In the auxiliary.
    pq: float = 3.0
    mask_id: float = 0.3
    discrimination: float = 1.0
    semantic: float = 1.0
    # Class of a seed where the PQ-style loss does not teach it, and what "no object" weighs in that.
    classes: float = 0.0
    no_object: float = 0.1
    # What each E-step before the last one weighs; the last weighs 1.
    deep_supervision: float = 1.0
    # What seeds and objects are matched by: "pq", class chance x dice, or "mask", the weighted sum of class, cross-entropy and dice.
    matching: str = "pq"

    def __post_init__(self) -> None:
        if self.matching not in ("pq", "mask"):
            raise ValueError(f"matching is 'pq' or 'mask', not {self.matching!r}")


def dice_between(shares: Tensor, truth: Tensor) -> Tensor:
    """Dice of every mask with every object: shares [Q, P] and truth [O, P], both 0..1 -> [Q, O]."""
    both = shares @ truth.t()
    return (2 * both + 1.0) / (shares.sum(1)[:, None] + truth.sum(1)[None] + 1.0)


def matching_cost(shares: Tensor, chances: Tensor, truth: Tensor, weights: PaperLossWeights) -> Tensor:
    """What it costs to match seed q to object o, [Q, O]. shares [Q, P], chances [Q, O] of the object's class, truth [O, P]."""
    dice = dice_between(shares, truth)
    if weights.matching == "pq":
        return -chances * dice
    inside = shares.clamp(1e-6, 1 - 1e-6)
    entropy = -(inside.log() @ truth.t() + (1 - inside).log() @ (1 - truth).t()) / truth.shape[1]
    return -weights.classes * chances + weights.entropy * entropy + weights.dice * (1 - dice)


@torch.no_grad()
def hungarian(shares: Tensor, chances: Tensor, truth: Tensor, weights: PaperLossWeights) -> Tensor:
    """The seeds' objects, int64 [Q] on the CPU, -1 for none, such that the cost is least in total (Kuhn 1955)."""
    owner = torch.full((shares.shape[0],), -1, dtype=torch.long)
    if truth.shape[0]:
        cost = matching_cost(shares.float(), chances.float(), truth.float(), weights).cpu().numpy()
        seeds, objects = linear_sum_assignment(np.nan_to_num(cost, nan=1e4))
        owner[torch.from_numpy(seeds)] = torch.from_numpy(objects)
    return owner


def mask_terms(logits: Tensor, targets: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy and 1 - dice, each the mean over the chosen clusters. logits [N, K, P]; targets int64 [N, P], the
    pixel's cluster, -1 = not counted; chosen bool [N, K]."""
    if not chosen.any():
        nothing = logits.sum() * 0.0
        return nothing, nothing
    known = (targets >= 0).unsqueeze(1)
    shares = logits.softmax(dim=1) * known
    truth = torch.zeros_like(shares).scatter_(1, targets.clamp_min(0).unsqueeze(1), 1.0) * known
    inside = shares.clamp(1e-6, 1 - 1e-6)
    surprise = -(truth * inside.log() + (1 - truth) * (1 - inside).log()) * known
    entropy = surprise.sum(2) / known.sum(2).clamp_min(1)
    dice = (2 * (shares * truth).sum(2) + 1.0) / (shares.sum(2) + truth.sum(2) + 1.0)
    return entropy[chosen].mean(), (1 - dice)[chosen].mean()


def stuff_entropy(logits: Tensor, targets: Tensor, stuff: int) -> Tensor:
    """Cross-entropy over all clusters at the pixels of the first `stuff` clusters."""
    of_stuff = torch.where(targets < stuff, targets, torch.full_like(targets, -1))
    if not (of_stuff >= 0).any():
        return logits.sum() * 0.0
    return F.cross_entropy(logits, of_stuff, ignore_index=-1)


def pq_loss(
    logits: Tensor, targets: Tensor, classes: Tensor, wanted: Tensor, stuff: int, balance: float = 0.75
) -> Tensor:
    """The PQ-style loss: for a matched seed, the class chance and the dice with its object, each weighed by the other as it
    stands; for an unmatched one, the chance of "no object". Stuff has its class by its start, so its dice stands alone.

    logits [N, stuff + Q, P]; targets [N, P]; classes [N, Q, C + 1] logits; wanted int64 [N, Q]: class, C for the unmatched.
    """
    known = (targets >= 0).unsqueeze(1)
    shares = logits.softmax(dim=1) * known
    truth = torch.zeros_like(shares).scatter_(1, targets.clamp_min(0).unsqueeze(1), 1.0) * known
    dice = (2 * (shares * truth).sum(2) + 1.0) / (shares.sum(2) + truth.sum(2) + 1.0)
    said = classes.log_softmax(dim=-1).gather(2, wanted.unsqueeze(2)).squeeze(2)
    matched = wanted < classes.shape[2] - 1
    of_seeds = dice[:, stuff:]
    hits = (said.exp().detach() * (1 - of_seeds) - of_seeds.detach() * said)[matched]
    present = truth[:, :stuff].sum(2) > 0
    positive = torch.cat([hits, (1 - dice[:, :stuff])[present]])
    negative = -said[~matched]
    means = [part.mean() if len(part) else part.sum() for part in (positive, negative)]
    return balance * means[0] + (1 - balance) * means[1]


def instance_discrimination(embeddings: Tensor, targets: Tensor, temperature: float = 0.3) -> Tensor:
    """Pixels of one cluster alike, of different ones unlike: cross-entropy between a pixel's direction and those of the clusters'
    means. embeddings [N, E, P]; targets [N, P]."""
    losses = []
    for vectors, own in zip(embeddings, targets):
        inside = own >= 0
        if not inside.any():
            continue
        vectors = F.normalize(vectors[:, inside].t(), dim=1)
        names, rank = own[inside].unique(return_inverse=True)
        means = vectors.new_zeros(len(names), vectors.shape[1]).index_add_(0, rank, vectors)
        losses.append(F.cross_entropy(vectors @ F.normalize(means, dim=1).t() / temperature, rank))
    return torch.stack(losses).mean() if losses else embeddings.sum() * 0.0
