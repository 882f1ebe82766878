"""Recurrent Cross-Attention (RCA): the decoder layer of ClustSeg, an EM clustering with learned projections.

Paper (Liang et al., ICML 2023), for pixel features X, centres C and one layer with projections Q, K, V:

    E-step   M(t)   = softmax over the K clusters ( Q(C(t)) (K X)^T )        every pixel's column sums to one
    M-step   C(t+1) = M(t) V X
    C^l = C^(l+1) + C(T)                                                     residual, level by level

What is written differently here, and why:

* The projections of the pixels are applied on the side of the centres, which is the same thing by linearity and needs no
  projected copy of the pixels: q . (K x) = (K^T q) . x, and M (V X) = V (M X).
* The M-step divides by a cluster's mass (it is the mean of EM rather than the sum), so that a cluster's centre does not
  depend on the number of its pixels: with K random in training, the sum would change by a factor of fifty. `m_step="sum"` is the
  paper's; queries are then made of layer-normalised centres, and so are a layer's results, or scores would grow with the
  number of pixels.
* The E-step is that of a Gaussian mixture, q.k - |q|^2 / 2, which is the dot product up to what every cluster has of its own;
  positions (y, x) are two more dimensions, whose precision is learned. `similarity="dot"` leaves the |q|^2 term out.

A layer is written against a *neighbourhood*, which says which clusters a pixel may choose from:
`FullNeighbourhood` (all of them: semantic, instance, panoptic) or `GridNeighbourhood` (the 3 x 3 nearest seeds of a regular
grid: superpixels; Jampani et al., SSN, ECCV 2018), whose cost does not depend on K.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# A centre that does not exist (beyond the border of the grid) must lose against any that does.
_NO_CENTRE = -1e6
_MIN_MASS = 1e-6


@dataclass(frozen=True)
class Centres:
    """Cluster centres. features [..., D]; positions [..., 2] as (y, x) in the neighbourhood's own unit.

    `tightness` [..., K, 1], by which the layer's precision of positions is multiplied: 0 for a class, which has no place.
    None: 1 for all. `prior` [..., K, 1]: the cluster's log weight in the mixture, added to its scores. None: 0 for all.
    """

    features: Tensor
    positions: Tensor
    tightness: Tensor | None = None
    prior: Tensor | None = None


class Neighbourhood(Protocol):
    """Which clusters a pixel may belong to, and how pixels are laid out for that.

    `pixels` [..., D, P]: features, then position, last a constant one. `weights`, `bias` and `positions` are per centre.
    """

    def logits(self, pixels: Tensor, weights: Tensor, bias: Tensor, positions: Tensor, precision: Tensor) -> Tensor: ...

    def gather(self, sums: Tensor) -> tuple[Tensor, Tensor]: ...


class FullNeighbourhood:
    """Every pixel may belong to every cluster: semantic, instance, panoptic.

    pixels [N, Dx + 4, P]: features, y, x, y^2 + x^2 and a constant one; centres [N, K, D]; assignment [N, K, P]. Clusters
    differ in their precision here, so that the pixel's own squared position does not cancel in the softmax, as it does on
    the grid.
    """

    def logits(self, pixels: Tensor, weights: Tensor, bias: Tensor, positions: Tensor, precision: Tensor) -> Tensor:
        """Scores [N, K, P] of centres with `weights` [N, K, Dx], `bias` [N, K, 1], `positions` [N, K, 2], `precision` [N, K, 1]."""
        return torch.matmul(self.query(weights, bias, positions, precision), pixels)

    @staticmethod
    def query(weights: Tensor, bias: Tensor, positions: Tensor, precision: Tensor) -> Tensor:
        """What a centre multiplies a pixel with: [N, K, Dx + 4]."""
        pull = positions * precision
        square = (-0.5 * precision).expand_as(bias)
        return torch.cat([weights, pull, square, bias - 0.5 * (pull * positions).sum(-1, keepdim=True)], dim=-1)

    def gather(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted sums [N, K, Dx + 4] -> (feature sums with position sums [N, K, Dx + 2], mass [N, K, 1])."""
        return sums[..., :-2], sums[..., -1:]


class GridNeighbourhood(nn.Module):
    """A pixel may belong to the seed of its own grid cell and to the eight around it.

    pixels [N, R, C, D, P] (a cell's P pixels together), centres [N, R, C, D], assignment [N, R, C, 9, P]: entry j is the
    seed at offset (j // 3 - 1, j % 3 - 1). Positions are in cells, relative to the middle of the centre's own cell.
    """

    def __init__(self) -> None:
        super().__init__()
        offsets = [(dy, dx) for dy in (-1.0, 0.0, 1.0) for dx in (-1.0, 0.0, 1.0)]
        self.register_buffer("offsets", torch.tensor(offsets), persistent=False)
        # Looking around is a convolution with nine one-hot kernels, and its adjoint one with their mirror images: one
        # operation forwards and one backwards instead of nine slices, and any runtime has it.
        self.register_buffer("look", torch.eye(9).view(9, 1, 3, 3), persistent=False)
        self.register_buffer("collect", torch.eye(9).flip(0).view(1, 9, 3, 3), persistent=False)

    def logits(self, pixels: Tensor, weights: Tensor, bias: Tensor, positions: Tensor, precision: Tensor) -> Tensor:
        """Scores [N, R, C, 9, P] of centres with `weights` [N, R, C, Dx], `bias` [N, R, C, 1], `positions` [N, R, C, 2]."""
        width = weights.shape[-1]
        # The ones tell what is inside. (Adding a large number to the bias and taking it off again would round the bias.)
        around = self.around(torch.cat([weights, positions, bias, torch.ones_like(bias)], dim=-1))
        offset_positions = around[..., width : width + 2] + self.offsets
        known_bias = around[..., width + 2 : width + 3] + (1.0 - around[..., width + 3 :]) * _NO_CENTRE
        return torch.matmul(_query(around[..., :width], known_bias, offset_positions, precision), pixels)

    def gather(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        """What a seed got from its own cell and the eight around it.

        sums [N, R, C, 9, Dx + 3], positions in them relative to the cell of the pixels -> as FullNeighbourhood.gather, with
        positions relative to the cell of the seed.
        """
        moved = sums[..., -3:-1] - sums[..., -1:] * self.offsets
        total = self.collected(torch.cat([sums[..., :-3], moved, sums[..., -1:]], dim=-1))
        return total[..., :-1], total[..., -1:]

    def around(self, centres: Tensor) -> Tensor:
        """[N, R, C, D] -> [N, R, C, 9, D]: each cell's own centre and its eight neighbours; zeros beyond the border."""
        batch, rows, columns, depth = centres.shape
        planes = centres.permute(0, 3, 1, 2).reshape(batch * depth, 1, rows, columns)
        nine = F.conv2d(planes, self.look, padding=1).reshape(batch, depth, 9, rows, columns)
        return nine.permute(0, 3, 4, 2, 1)

    def around_positions(self, positions: Tensor) -> Tensor:
        """Centre positions [N, R, C, 2] as each cell sees its nine: [N, R, C, 9, 2], relative to the middle of the cell."""
        return self.around(positions) + self.offsets

    def collected(self, parts: Tensor) -> Tensor:
        """The adjoint of `around`: [N, R, C, 9, D], what cells give their nine -> [N, R, C, D], what each seed gets."""
        batch, rows, columns, _, depth = parts.shape
        planes = parts.permute(0, 4, 3, 1, 2).reshape(batch * depth, 9, rows, columns)
        return F.conv2d(planes, self.collect, padding=1).reshape(batch, depth, rows, columns).permute(0, 2, 3, 1)


class IndexedGridNeighbourhood:
    """The same for inference on a grid of known size, by table look-up and in positions relative to the grid's middle.

    Look-ups need no transposes, and with one frame for all cells a query is made once a centre instead of once a neighbour:
    together half the time of a step at K = 2,500. Training keeps the convolutions, as the gradient of a look-up is a slow
    scatter, and positions relative to cells, which lose nothing in half precision.
    """

    def __init__(self, rows: int | Tensor, columns: int | Tensor, device: torch.device | str = "cpu") -> None:
        one = torch.tensor([-1, 0, 1], device=device)
        dy, dx = one.repeat_interleave(3), one.repeat(3)
        self.rows, self.columns = rows, columns
        row = torch.arange(rows, device=device).view(-1, 1, 1)
        column = torch.arange(columns, device=device).view(1, -1, 1)
        entry, cells = torch.arange(9, device=device), rows * columns
        self.seen = self._index(row + dy, column + dx, cells, lambda at: at)
        # What seed (r, c) gets as entry j comes from the cell at (r - dy, c - dx).
        self.sources = self._index(row - dy, column - dx, cells * 9, lambda at: at * 9 + entry)

    def _index(self, row: Tensor, column: Tensor, outside: int | Tensor, address) -> Tensor:
        """Flat addresses [R * C * 9]; `outside`, one past the last, where there is no cell."""
        inside = (row >= 0) & (row < self.rows) & (column >= 0) & (column < self.columns)
        return torch.where(inside, address(row * self.columns + column), outside).reshape(-1)

    def logits(self, pixels: Tensor, weights: Tensor, bias: Tensor, positions: Tensor, precision: Tensor) -> Tensor:
        """As GridNeighbourhood.logits."""
        query = _query(weights, bias, positions, precision)
        depth = query.shape[-1]
        # Beyond the border: a centre that scores every pixel, whose last entry is one, too low to be chosen.
        nobody = F.pad(query.new_full((1, 1), _NO_CENTRE), (depth - 1, 0)).expand(query.shape[0], 1, depth)
        known = torch.cat([query.reshape(-1, self.rows * self.columns, depth), nobody], dim=1)
        around = known.index_select(1, self.seen).reshape(-1, self.rows, self.columns, 9, depth)
        return torch.matmul(around, pixels)

    def gather(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        """As GridNeighbourhood.gather, without a frame to change."""
        depth = sums.shape[-1]
        known = F.pad(sums.reshape(-1, self.rows * self.columns * 9, depth), (0, 0, 0, 1))
        received = known.index_select(1, self.sources).reshape(-1, self.rows, self.columns, 9, depth)
        total = received.sum(dim=3)
        return total[..., :-1], total[..., -1:]


def _query(weights: Tensor, bias: Tensor, positions: Tensor, precision: Tensor) -> Tensor:
    """What a centre multiplies a pixel's [features, y, x, 1] with to get its score."""
    pull = positions * precision
    return torch.cat([weights, pull, bias - 0.5 * (pull * positions).sum(-1, keepdim=True)], dim=-1)


def e_step(logits: Tensor) -> Tensor:
    """The assignment M: softmax over the clusters, which are the last but one dimension of `logits` [..., K, P].

    Written out instead of torch.softmax because ONNX runtimes transpose twice for a softmax over an inner axis.
    """
    weights = torch.exp(logits - logits.amax(dim=-2, keepdim=True))
    return weights / weights.sum(dim=-2, keepdim=True)


def softmax_over_pixels(logits: Tensor) -> Tensor:
    """Vanilla cross-attention's weights up to a cluster's normalisation, which the M-step divides out. For the ablation."""
    return torch.exp((logits - logits.amax(dim=(-1, -2), keepdim=True)).clamp_min(-60.0))


def m_step(assignment: Tensor, pixels: Tensor, neighbourhood: Neighbourhood) -> tuple[Tensor, Tensor]:
    """The weighted means of pixels: assignment [..., K, P] and pixels [..., Dx + 3, P] -> (means [..., Dx], positions [..., 2])."""
    sums, mass = neighbourhood.gather(torch.matmul(assignment, pixels.transpose(-1, -2)))
    means = sums / mass.clamp_min(_MIN_MASS)
    return means[..., :-2], means[..., -2:]


class RecurrentCrossAttention(nn.Module):
    """One decoder layer: T E/M steps with shared projections over one level's pixels, then the residual.

    `centre_channels` D, `pixel_channels` Dx, `key_channels` the width of Q and K. `anchored` centres take the residual at each
    step instead of once a layer.
    """

    def __init__(
        self,
        centre_channels: int,
        pixel_channels: int,
        key_channels: int,
        steps: int = 3,
        similarity: str = "gaussian",
        attention: str = "rca",
        anchored: bool = False,
        m_step: str = "mean",
    ) -> None:
        super().__init__()
        if similarity not in ("gaussian", "dot"):
            raise ValueError(f"similarity is 'gaussian' or 'dot', not {similarity!r}")
        if attention not in ("rca", "vanilla"):
            raise ValueError(f"attention is 'rca' or 'vanilla', not {attention!r}")
        if m_step not in ("mean", "sum") or (m_step == "sum" and attention == "vanilla"):
            raise ValueError(f"m_step is 'mean' or, with attention 'rca', 'sum', not {m_step!r}")
        self.steps, self.similarity, self.attention, self.anchored = steps, similarity, attention, anchored
        self.m_step = m_step
        self.norm = nn.LayerNorm(centre_channels) if m_step == "sum" else nn.Identity()
        self.settle = nn.LayerNorm(centre_channels) if m_step == "sum" else nn.Identity()
        self.query = nn.Linear(centre_channels, key_channels)
        self.key = nn.Linear(pixel_channels, key_channels, bias=False)
        self.value = nn.Linear(pixel_channels, centre_channels)
        self.log_precision = nn.Parameter(torch.tensor(1.0))
        if m_step == "sum":
            # Layer-normalised centres have a length of sqrt(D): without this an untrained E-step would be sure of itself.
            with torch.no_grad():
                self.query.weight.mul_(key_channels**-0.5)
                self.query.bias.mul_(key_channels**-0.5)

    def logits(self, centres: Centres, pixels: Tensor, neighbourhood: Neighbourhood) -> Tensor:
        """Q(C) (K X)^T, the projection of the pixels moved to the centres."""
        query = self.query(self.norm(centres.features))
        weights = torch.matmul(query, self.key.weight)
        bias = -0.5 * (query * query).sum(-1, keepdim=True)
        if self.similarity == "dot":
            bias = bias * 0.0
        precision = self.log_precision.exp()
        if centres.tightness is not None:
            precision = precision * centres.tightness
        if centres.prior is not None:
            bias = bias + centres.prior
        return neighbourhood.logits(pixels, weights, bias, centres.positions, precision)

    def forward(
        self, centres: Centres, pixels: Tensor, neighbourhood: Neighbourhood, steps: int | None = None, last: bool = False
    ) -> tuple[Centres, list[Tensor]]:
        """Returns the layer's centres and the logits of its E-steps. With `last`, the final M-step, which nothing reads, is left out."""
        steps = self.steps if steps is None else steps
        if self.attention == "vanilla":
            return self._vanilla(centres, pixels, neighbourhood)
        scores: list[Tensor] = []
        current = centres
        for step in range(steps):
            logits = self.logits(current, pixels, neighbourhood)
            scores.append(logits)
            if last and step == steps - 1:
                return current, scores
            moved, positions = self.collect(e_step(logits), pixels, neighbourhood)
            # A class that the image lacks has pixels by a hair only; replaced by their mean it would become another class.
            # An anchored centre is the one the layer began with plus what it found, so that it stays what it stands for.
            current = replace(centres, features=centres.features + moved if self.anchored else moved, positions=positions)
        features = current.features if self.anchored else centres.features + current.features
        return replace(current, features=self.settle(features)), scores

    def collect(self, assignment: Tensor, pixels: Tensor, neighbourhood: Neighbourhood) -> tuple[Tensor, Tensor]:
        """The M-step: what centres become, [..., D], and where their pixels are on average, [..., 2]."""
        if self.m_step == "mean":
            means, positions = m_step(assignment, pixels, neighbourhood)
            return self.value(means), positions
        sums, mass = neighbourhood.gather(torch.matmul(assignment, pixels.transpose(-1, -2)))
        # The sum of V x + b over a cluster's pixels is V of their sum and b once for each.
        moved = torch.matmul(sums[..., :-2], self.value.weight.t()) + mass * self.value.bias
        return moved, sums[..., -2:] / mass.clamp_min(_MIN_MASS)

    def _vanilla(self, centres: Centres, pixels: Tensor, neighbourhood: Neighbourhood) -> tuple[Centres, list[Tensor]]:
        """Standard cross-attention (softmax over pixels), then the assignment that its updated centres give."""
        attention = softmax_over_pixels(self.logits(centres, pixels, neighbourhood))
        means, positions = m_step(attention, pixels, neighbourhood)
        updated = replace(centres, features=centres.features + self.value(means), positions=positions)
        return updated, [self.logits(updated, pixels, neighbourhood)]
