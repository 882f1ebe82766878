"""Drawn annotations (polygons, ellipses, masks), painted over each other into one segment map."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask

from clustseg.data.samples import VOID, Category, DataError, LabelledImage, labelled_image

Mask = Callable[[int, int], np.ndarray]
"""(height, width) of the image -> bool [H, W]."""


@dataclass(frozen=True)
class Shape:
    """Something drawn. `category` is a position in the list of classes, or VOID: pixels of which nothing is known where
    no other shape lies. Shapes of one class and one `group` (not None) are one object."""

    category: int
    mask: Mask
    crowd: bool = False
    group: Hashable | None = None


def paint(
    name: str, image: np.ndarray, shapes: Iterable[Shape], categories: Sequence[Category], background: int | None
) -> LabelledImage:
    """A LabelledImage of shapes, the lowest first: a later one covers what lies below it, but void covers nothing.

    `background` is the class of pixels under no shape, None = void. All shapes of a stuff class are one segment.
    """
    height, width = image.shape[:2]
    segments = np.full((height, width), VOID, np.int32)
    classes: list[int] = []
    crowds: list[bool] = []
    numbers: dict[Hashable, int] = {}
    free = np.ones((height, width), bool)
    unknown = np.zeros((height, width), bool)

    def number_of(key: Hashable, category: int, crowd: bool) -> int:
        if key not in numbers:
            numbers[key] = len(classes)
            classes.append(category)
            crowds.append(crowd)
        return numbers[key]

    for index, shape in enumerate(shapes):
        mask = shape.mask(height, width)
        if shape.category == VOID:
            unknown |= mask
            continue
        if not categories[shape.category]["isthing"]:
            key: Hashable = ("stuff", shape.category)
        elif shape.crowd:
            key = ("crowd", shape.category)
        else:
            key = ("group", shape.category, shape.group) if shape.group is not None else ("shape", index)
        crowd = shape.crowd and categories[shape.category]["isthing"]
        segments[mask] = number_of(key, shape.category, crowd)
        free &= ~mask
    if background is not None:
        rest = free & ~unknown
        if rest.any():
            segments[rest] = number_of(("stuff", background), background, False)
    return labelled_image(name, image, segments, classes, crowds)


def polygons(rings: Sequence[Sequence[float]]) -> Mask:
    """The union of rings [x0, y0, x1, y1, ...] in pixels, pixel (0, 0) from 0 to 1, as pycocotools fills them. Rings of
    fewer than three points have no area and are left out."""
    for ring in rings:
        if len(ring) % 2:
            raise DataError(f"a polygon has {len(ring)} numbers, which is odd; they are x0, y0, x1, y1, ...")
        if not np.isfinite(np.asarray(ring, float)).all():
            raise DataError("a polygon has a corner that is no finite number")
    whole = [[float(value) for value in ring] for ring in rings if len(ring) >= 6]

    def mask(height: int, width: int) -> np.ndarray:
        if not whole:
            return np.zeros((height, width), bool)
        return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(whole, height, width))).astype(bool)

    return mask


def ellipse(cx: float, cy: float, rx: float, ry: float, degrees: float = 0.0) -> Mask:
    """Pixels with their centre inside an ellipse; in pixels, turned clockwise (as y goes down) by `degrees`."""

    def mask(height: int, width: int) -> np.ndarray:
        y, x = np.mgrid[0:height, 0:width] + 0.5
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        along, across = (x - cx) * cosine + (y - cy) * sine, (y - cy) * cosine - (x - cx) * sine
        return (along * ry) ** 2 + (across * rx) ** 2 <= ((rx * ry) ** 2 if rx > 0 and ry > 0 else -1)

    return mask


def box(left: float, top: float, right: float, bottom: float) -> Mask:
    """All pixels that a box touches, in pixels."""

    def mask(height: int, width: int) -> np.ndarray:
        inside = np.zeros((height, width), bool)
        rows = slice(max(0, int(np.floor(top))), max(0, int(np.ceil(bottom))))
        inside[rows, max(0, int(np.floor(left))) : max(0, int(np.ceil(right)))] = True
        return inside

    return mask


def placed(part: np.ndarray, left: int, top: int) -> Mask:
    """A mask bool [h, w] whose upper left pixel is at (left, top); what reaches over the image's border is cut off."""

    def mask(height: int, width: int) -> np.ndarray:
        whole = np.zeros((height, width), bool)
        rows = slice(max(top, 0), min(top + part.shape[0], height))
        columns = slice(max(left, 0), min(left + part.shape[1], width))
        if rows.start < rows.stop and columns.start < columns.stop:
            whole[rows, columns] = part[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        return whole

    return mask


def runs(counts: Sequence[int], height: int, width: int, order: str = "C") -> np.ndarray:
    """A mask bool [height, width] of run lengths that begin with one of zeros, row by row ("C") or column by column
    ("F"). Raises DataError if they do not fill it."""
    lengths = np.asarray(counts, dtype=np.int64).reshape(-1)
    if (lengths < 0).any():
        raise DataError("a run length is negative")
    if lengths.sum() != height * width:
        raise DataError(f"run lengths add up to {int(lengths.sum())}, but the mask has {width} x {height} pixels")
    values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return values.reshape(height, width) if order == "C" else values.reshape(width, height).T
