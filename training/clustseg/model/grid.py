"""The superpixel grid: how many rows and columns of seeds for a wanted K, and pixels laid out by cell.

Written with tensor operations only where the exported graph needs it, so that H, W and K stay dynamic.
"""

from __future__ import annotations

import torch
from torch import Tensor

# A cell's sides are multiples of this at full resolution, so that the levels at strides 2 and 4 have whole cells too.
CELL_MULTIPLE = 4
MIN_CELL, MAX_CELL = 4, 48


def grid_for(superpixels: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of seeds for `superpixels` wanted on an image of height x width: cells as square as can be.

    At least one of each, and at most one seed a pixel.
    """
    rows, columns = grid_tensor(torch.tensor([superpixels]), torch.tensor([height, width])).tolist()
    return int(rows), int(columns)


def grid_tensor(superpixels: Tensor, size: Tensor) -> Tensor:
    """`grid_for` on int64 tensors: superpixels [1], size [2] as (H, W) -> (rows, columns) [2]."""
    high, wide = size[0:1].double(), size[1:2].double()
    wanted = superpixels.double() * SEEDS_PER_SUPERPIXEL
    rows = torch.minimum(torch.floor(torch.sqrt(wanted * high / wide) + 0.5).clamp_min(1.0), high)
    columns = torch.minimum(torch.floor(wanted / rows + 0.5).clamp_min(1.0), wide)
    return torch.cat([rows, columns]).long()


# Seeds a little more than asked for: some die out (their pixels prefer a neighbour), and rounding to whole rows and columns
# then stays within 0 to 15 % above the number asked for.
SEEDS_PER_SUPERPIXEL = 1.05


def cell_size(size: Tensor, grid: Tensor) -> Tensor:
    """The working cell (height, width) [2] in pixels: the nearest multiple of CELL_MULTIPLE, within MIN_CELL and MAX_CELL."""
    ratio = size.double() / grid.double() / CELL_MULTIPLE
    return (torch.floor(ratio + 0.5) * CELL_MULTIPLE).clamp(MIN_CELL, MAX_CELL).long()


def to_cells(features: Tensor, rows: int | Tensor, columns: int | Tensor) -> Tensor:
    """[N, D, H, W] with H, W whole multiples of rows, columns -> [N, rows, columns, D, cell pixels]."""
    batch, depth, height, width = features.shape
    tall, wide = height // rows, width // columns
    split = features.reshape(batch, depth, rows, tall, columns, wide)
    return split.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows, columns, depth, tall * wide)


def from_cells(cells: Tensor, tall: int | Tensor, wide: int | Tensor) -> Tensor:
    """[N, R, C, D, tall * wide] -> [N, D, R * tall, C * wide], the inverse of `to_cells`."""
    batch, rows, columns, depth, _ = cells.shape
    split = cells.reshape(batch, rows, columns, depth, tall, wide)
    return split.permute(0, 3, 1, 4, 2, 5).reshape(batch, depth, rows * tall, columns * wide)


def cell_positions(height: int, width: int, rows: int | Tensor, columns: int | Tensor, like: Tensor) -> Tensor:
    """Per pixel its (y, x) in cells relative to the middle of its cell, and a one: [1, 3, H, W]; -0.5 <= y, x < 0.5."""
    tall, wide = height // rows, width // columns
    y = ((torch.arange(height, device=like.device) % tall).to(like) + 0.5) / tall - 0.5
    x = ((torch.arange(width, device=like.device) % wide).to(like) + 0.5) / wide - 0.5
    return _plane(y, x)


def grid_positions(height: int, width: int, rows: int | Tensor, columns: int | Tensor, like: Tensor) -> Tensor:
    """The same relative to the middle of the whole grid: centred, so that squares stay small in single precision."""
    y = (torch.arange(height, device=like.device).to(like) + (0.5 - height / 2)) / (height // rows)
    x = (torch.arange(width, device=like.device).to(like) + (0.5 - width / 2)) / (width // columns)
    return _plane(y, x)


def _plane(y: Tensor, x: Tensor) -> Tensor:
    high, wide = y.shape[0], x.shape[0]
    y, x = y[:, None].expand(high, wide), x[None, :].expand(high, wide)
    return torch.stack([y, x, torch.ones_like(y)]).unsqueeze(0)
