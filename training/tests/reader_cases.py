"""What the readers' tests write and compare with."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_image(path: Path, height: int, width: int, seed: int = 0) -> np.ndarray:
    """A random RGB image, lossless; returns its pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def write_ids(path: Path, ids, dtype=np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(ids, dtype)).save(path)


def objects(samples, sample) -> set:
    """(class name, crowd, (y, x) pixels) of every segment, without their order."""
    found = []
    for index, (category, crowd) in enumerate(zip(sample.categories, sample.crowd)):
        pixels = frozenset(map(tuple, np.argwhere(sample.segments == index).tolist()))
        found.append((samples.categories[category]["name"], bool(crowd), pixels))
    assert len(set(found)) == len(found)
    return set(found)


def pixels_of(rows: slice, columns: slice) -> frozenset:
    return frozenset((y, x) for y in range(rows.start, rows.stop) for x in range(columns.start, columns.stop))


def names_of(samples) -> list[str]:
    return [one["name"] for one in samples.categories]
