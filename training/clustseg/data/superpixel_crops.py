"""BSDS500 for training: decoded once, kept as uint8, cropped and augmented on the fly."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from clustseg.model.grid import CELL_MULTIPLE

# Cells that training draws from, in pixels: K of about 50 to 2,400 on a photograph of 481 x 321.
CELL_SIZES = (8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 28, 32, 36, 40, 48)


@dataclass(frozen=True)
class Photograph:
    """An image [H, W, 3] uint8 and one label map [H, W] per annotator."""

    name: str
    pixels: np.ndarray
    annotations: tuple[np.ndarray, ...]


def read_bsds(root: Path, split: str, limit: int | None = None) -> list[Photograph]:
    """All photographs of a split of BSDS500 as laid out in the data folder: images/<id>.jpg, labels/<id>_<n>.png."""
    folder = root / split
    paths = sorted((folder / "images").glob("*.jpg"))[:limit]
    if not paths:
        raise FileNotFoundError(f"no images in {folder / 'images'}; set CLUSTSEG_DATA or --data to the folder with bsds500/")
    return [
        Photograph(
            path.stem,
            np.asarray(Image.open(path).convert("RGB")),
            tuple(np.asarray(Image.open(label)) for label in sorted((folder / "labels").glob(f"{path.stem}_*.png"))),
        )
        for path in paths
    ]


@dataclass(frozen=True)
class Batch:
    """image float [N, 3, H, W] in 0..255, labels long [N, H, W] in 0..classes - 1, on a grid of rows x columns whole cells."""

    image: Tensor
    labels: Tensor
    rows: int
    columns: int


def rank_labels(labels: np.ndarray, classes: int) -> np.ndarray:
    """Renames regions by falling area; those past `classes` share the last name."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.minimum(rank, classes - 1)[inverse].reshape(labels.shape)


def jitter(image: Image.Image, random: np.random.Generator) -> Image.Image:
    for enhance, spread in ((ImageEnhance.Brightness, 0.3), (ImageEnhance.Contrast, 0.3), (ImageEnhance.Color, 0.4)):
        image = enhance(image).enhance(float(1 + random.uniform(-spread, spread)))
    return image


class SuperpixelBatches:
    """Endless batches, a few prepared ahead by one thread. Same seed, same batches."""

    def __init__(
        self,
        photographs: list[Photograph],
        batch: int,
        crop: int,
        classes: int,
        seed: int | tuple[int, int],
        ahead: int = 4,
        scale: tuple[float, float] = (0.7, 1.7),
    ) -> None:
        self.photographs, self.batch, self.crop, self.classes = photographs, batch, crop, classes
        self.scale = scale
        self.random = np.random.default_rng(seed)
        self._ready: queue.Queue[Batch] = queue.Queue(ahead)
        threading.Thread(target=self._fill, daemon=True).start()

    def __next__(self) -> Batch:
        return self._ready.get()

    def _fill(self) -> None:
        while True:
            self._ready.put(self.make())

    def make(self) -> Batch:
        tall = int(self.random.choice(CELL_SIZES))
        # Real grids are seldom square to the pixel: rows and columns are rounded, and cells to a multiple of four.
        wide = max(8, min(48, tall + int(self.random.choice((-1, 0, 0, 1))) * CELL_MULTIPLE))
        rows, columns = max(2, round(self.crop / tall)), max(2, round(self.crop / wide))
        samples = [self._sample(rows * tall, columns * wide) for _ in range(self.batch)]
        image = torch.from_numpy(np.stack([pixels for pixels, _ in samples])).permute(0, 3, 1, 2).float()
        labels = torch.from_numpy(np.stack([labels for _, labels in samples]))
        return Batch(image.contiguous(memory_format=torch.channels_last), labels, rows, columns)

    def _sample(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        photograph = self.photographs[self.random.integers(len(self.photographs))]
        annotation = photograph.annotations[self.random.integers(len(photograph.annotations))]
        image, labels = Image.fromarray(photograph.pixels), Image.fromarray(annotation.astype(np.int32))
        if self.random.random() < 0.5 and min(image.size) >= 1:
            turn = Image.Transpose.ROTATE_90 if self.random.random() < 0.5 else Image.Transpose.ROTATE_270
            image, labels = image.transpose(turn), labels.transpose(turn)
        if self.random.random() < 0.5:
            image, labels = (x.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for x in (image, labels))
        least = max(width / image.width, height / image.height)
        scale = max(least, float(np.exp(self.random.uniform(*np.log(self.scale)))))
        # Crop first, in the source's pixels, so that only what is kept is resampled.
        source_width, source_height = min(image.width, width / scale), min(image.height, height / scale)
        left = self.random.uniform(0, image.width - source_width)
        top = self.random.uniform(0, image.height - source_height)
        box = (left, top, left + source_width, top + source_height)
        image = jitter(image.resize((width, height), Image.Resampling.BILINEAR, box), self.random)
        labels = labels.resize((width, height), Image.Resampling.NEAREST, box)
        return np.asarray(image), rank_labels(np.asarray(labels), self.classes)
