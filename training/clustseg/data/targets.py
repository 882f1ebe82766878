"""What the mask tasks learn from a crop: classes, objects, their middles; and which object each seed belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clustseg.data.samples import LabelledImage

IGNORED = -2
"""Value of `CropTargets.objects` where it is not known which object a pixel belongs to (void, crowds)."""


@dataclass(frozen=True)
class CropTargets:
    """semantic int64 [H, W]: class, -1 = void. objects int64 [H, W]: 0.. = object, -1 = stuff, -2 = not known.

    Of the objects: classes int64 [O], middles float32 [O, 2] as (y, x) in pixels (a pixel of the object), sizes float32 [O], the
    square root of their area.
    """

    semantic: Tensor
    objects: Tensor
    classes: Tensor
    middles: Tensor
    sizes: Tensor


def label_planes(sample: LabelledImage) -> np.ndarray:
    """Class and segment of each pixel as int32 [2, H, W], the planes that a crop is cut from."""
    return np.stack([sample.semantic.astype(np.int32), sample.segments])


def crop_targets(planes: Tensor, sample: LabelledImage, things: tuple[bool, ...], min_area: int = 8) -> CropTargets:
    """Targets of a crop of `label_planes`. Objects of which fewer than `min_area` pixels are left are not known."""
    semantic, segments = planes[0].numpy(), planes[1].numpy()
    count = len(sample.categories)
    is_object = np.array(things, bool)[sample.categories] & ~sample.crowd if count else np.zeros(0, bool)
    is_stuff = ~np.array(things, bool)[sample.categories] & ~sample.crowd if count else np.zeros(0, bool)
    areas = np.bincount(segments.reshape(-1) + 1, minlength=count + 1)[1:]
    kept = np.flatnonzero(is_object & (areas >= min_area))
    renamed = np.full(count + 1, IGNORED, np.int64)
    renamed[:-1][is_stuff] = -1
    renamed[kept] = np.arange(len(kept))
    objects = renamed[segments]
    middles = np.zeros((len(kept), 2), np.float32)
    if len(kept):
        flat = objects.reshape(-1)
        own = np.flatnonzero(flat >= 0)
        y, x = np.divmod(own, objects.shape[1])
        names, sizes = flat[own], areas[kept].astype(np.float64)
        mean_y = np.bincount(names, y, len(kept)) / sizes
        mean_x = np.bincount(names, x, len(kept)) / sizes
        # A middle must lie on its object: of a crescent, take the pixel nearest to the mean.
        far = np.square(y - mean_y[names]) + np.square(x - mean_x[names])
        order = np.lexsort((far, names))
        first = order[np.searchsorted(names[order], np.arange(len(kept)))]
        middles = np.stack([y[first], x[first]], axis=1).astype(np.float32)
    return CropTargets(
        torch.from_numpy(semantic.copy()),
        torch.from_numpy(objects),
        torch.from_numpy(sample.categories[kept]),
        torch.from_numpy(middles),
        torch.from_numpy(np.sqrt(areas[kept]).astype(np.float32)),
    )


def centre_map_target(targets: CropTargets, stride: int) -> tuple[Tensor, Tensor]:
    """The centre map [h, w] (Gaussians with 1 at each middle; Zhou et al., CenterNet, 2019) and where it is known, bool [h, w]."""
    height, width = (side // stride for side in targets.objects.shape)
    target = np.zeros((height, width), np.float32)
    for (y, x), size in zip(targets.middles.numpy() / stride, targets.sizes.numpy() / stride):
        sigma = max(0.7, 0.12 * float(size))
        reach = int(3 * sigma) + 1
        row, column = min(int(y), height - 1), min(int(x), width - 1)
        top, left = max(0, row - reach), max(0, column - reach)
        rows = np.arange(top, min(height, row + reach + 1)) - row
        columns = np.arange(left, min(width, column + reach + 1)) - column
        bump = np.exp(-0.5 * (rows[:, None] ** 2 + columns[None] ** 2) / sigma**2)
        window = target[top : top + len(rows), left : left + len(columns)]
        np.maximum(window, bump, out=window)
    known = targets.objects[stride // 2 :: stride, stride // 2 :: stride] != IGNORED
    return torch.from_numpy(target), known[:height, :width]


@dataclass(frozen=True)
class SeedMatch:
    """cells int64 [K] of the centre map; owner int64 [K]: the object it lies in, if it is that object's first seed, -1 = none.

    known bool [K]: false where the seed lies in a region without annotation.
    """

    cells: Tensor
    owner: Tensor
    known: Tensor


def match_seeds(
    heights: Tensor, targets: CropTargets, stride: int, most: int, rng: np.random.Generator, predicted: bool
) -> SeedMatch:
    """Seeds of one crop, each matched to the object it lies in.

    heights [h, w] are the predicted peaks (zero elsewhere). With `predicted`, seeds are the peaks, and objects without one get a
    pixel of their own near their middle; else all objects get such a pixel. The highest seed of an object is its first.
    """
    height, width = heights.shape
    objects = targets.objects[stride // 2 :: stride, stride // 2 :: stride][:height, :width].numpy().reshape(-1)
    flat = heights.numpy().reshape(-1)
    cells = np.zeros(0, np.int64)
    if predicted:
        cells = np.flatnonzero(flat)
        cells = cells[np.argsort(-flat[cells], kind="stable")][:most]
    count = len(targets.classes)
    first = np.full(count, -1, np.int64)
    for index, cell in enumerate(cells):
        at = objects[cell]
        if at >= 0 and first[at] < 0:
            first[at] = index
    missing = np.flatnonzero(first < 0)[: max(0, most - len(cells))]
    if len(missing):
        jitter = np.clip(rng.normal(0, 0.12, (len(missing), 2)), -0.3, 0.3) * targets.sizes.numpy()[missing, None]
        places = np.floor((targets.middles.numpy()[missing] + jitter) / stride).astype(np.int64)
        true = np.floor(targets.middles.numpy()[missing] / stride).astype(np.int64)
        limit = np.array([height - 1, width - 1])
        places, true = np.clip(places, 0, limit), np.clip(true, 0, limit)
        moved, own = places @ np.array([width, 1]), true @ np.array([width, 1])
        added = np.where(objects[moved] == missing, moved, own)
        first[missing] = len(cells) + np.arange(len(missing))
        cells = np.concatenate([cells, added])
    owner = np.full(len(cells), -1, np.int64)
    owner[first[first >= 0]] = np.flatnonzero(first >= 0)
    known = objects[cells] != IGNORED if len(cells) else np.zeros(0, bool)
    return SeedMatch(torch.from_numpy(cells), torch.from_numpy(owner), torch.from_numpy(known | (owner >= 0)))
