"""What every reader gives and every mask task learns from: an image, its pixels divided into segments with classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from PIL import Image

VOID = -1
"""Value of `LabelledImage.segments` where the annotation says nothing; such pixels are neither learnt nor counted."""


class DataError(ValueError):
    """A data set that cannot be read as it is. The message says which file, what is wrong and what to do."""


class Category(TypedDict):
    """A class as model.json lists it. `color` is RGB, 0..255."""

    id: int
    name: str
    isthing: bool
    color: list[int]


@dataclass(frozen=True)
class LabelledImage:
    """An image and its segments.

    name: what the data set calls the image, without suffix.
    image: uint8 [H, W, 3] RGB.
    segments: int32 [H, W], index into the two arrays below; -1 = void (ignored).
    categories: int64 [S], class of each segment, as the position in the data set's list of categories (not its `id`).
    crowd: bool [S], the segment is several objects of its class that were not told apart (or an unclear one).
    """

    name: str
    image: np.ndarray
    segments: np.ndarray
    categories: np.ndarray
    crowd: np.ndarray

    def __post_init__(self) -> None:
        def expect(good: bool, what: str, array: np.ndarray) -> None:
            if not good:
                raise DataError(f"{self.name}: expected {what} but received {array.dtype} {list(array.shape)}")

        image, segments = self.image, self.segments
        expect(image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, "an image uint8 [H, W, 3]", image)
        expect(segments.dtype == np.int32 and segments.ndim == 2, "segments int32 [H, W]", segments)
        expect(self.categories.dtype == np.int64 and self.categories.ndim == 1, "categories int64 [S]", self.categories)
        expect(self.crowd.dtype == np.bool_ and self.crowd.shape == self.categories.shape, "crowd bool [S]", self.crowd)
        if segments.shape != image.shape[:2]:
            raise DataError(
                f"{self.name}: the image is {image.shape[1]} x {image.shape[0]} but its segments are "
                f"{segments.shape[1]} x {segments.shape[0]} pixels"
            )
        if segments.size == 0:
            raise DataError(f"{self.name}: the image has no pixels")
        lowest, highest = int(segments.min()), int(segments.max())
        if lowest < VOID or highest >= len(self.categories):
            raise DataError(
                f"{self.name}: segments are {lowest}..{highest}, but there are {len(self.categories)} of them "
                f"(0..{len(self.categories) - 1}, {VOID} = void)"
            )
        if len(self.categories) and self.categories.min() < 0:
            raise DataError(f"{self.name}: classes are positions in the list of categories, so not negative")

    @property
    def areas(self) -> np.ndarray:
        """Pixels of each segment, int64 [S]."""
        return np.bincount(self.segments.reshape(-1) + 1, minlength=len(self.categories) + 1)[1:]

    @property
    def semantic(self) -> np.ndarray:
        """Class of each pixel, int64 [H, W]; -1 = void."""
        return np.append(self.categories, VOID)[self.segments]


def labelled_image(
    name: str, image: np.ndarray, segments: np.ndarray, categories: Sequence[int], crowd: Sequence[bool] | None = None
) -> LabelledImage:
    """A LabelledImage of whatever integer types a reader has at hand. Segments that have no pixel are left out."""
    segments = np.asarray(segments).astype(np.int32)
    classes = np.asarray(categories, dtype=np.int64).reshape(-1)
    crowds = np.zeros(len(classes), bool) if crowd is None else np.asarray(crowd, dtype=bool).reshape(-1)
    seen = np.zeros(len(classes) + 1, bool)
    inside = (segments >= VOID) & (segments < len(classes))
    if inside.all() and len(crowds) == len(classes):  # anything else is for LabelledImage to refuse
        seen[segments.reshape(-1)] = True  # void is the last
        seen = seen[:-1]
        if not seen.all():
            renamed = np.append(np.cumsum(seen) - 1, VOID).astype(np.int32)
            segments, classes, crowds = renamed[segments], classes[seen], crowds[seen]
    return LabelledImage(name, image, segments, classes, crowds)


def index_values(values: np.ndarray, void: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Replaces each distinct value of an integer map by its rank.

    values: [H, W] >= 0; void: bool [H, W] or None. Returns segments int32 [H, W] (-1 where void) and the distinct
    values outside of void, rising, int64 [S].
    """
    flat = values.reshape(-1).astype(np.int64)
    keep = None if void is None else ~void.reshape(-1)
    kept = flat if keep is None else flat[keep]
    if len(kept) and kept.max() < 1 << 20:  # a table is faster than sorting, while it is small
        present = np.zeros(int(kept.max()) + 1, bool)
        present[kept] = True
        distinct = np.flatnonzero(present)
        ranks = (np.cumsum(present) - 1)[kept]
    else:
        distinct, ranks = np.unique(kept, return_inverse=True)
    segments = np.full(len(flat), VOID, np.int32)
    segments[slice(None) if keep is None else keep] = ranks
    return segments.reshape(values.shape), distinct.astype(np.int64)


def scaled(sample: LabelledImage, long_side: int) -> LabelledImage:
    """The sample made smaller so that its long side is `long_side` pixels; as it is where it is no larger. Segments
    that lose their last pixel are left out."""
    height, width = sample.segments.shape
    if max(height, width) <= long_side:
        return sample
    factor = long_side / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    image = np.asarray(Image.fromarray(sample.image).resize(size, Image.Resampling.LANCZOS))
    # Pixel centres: the source pixel under the middle of each new one.
    rows = ((np.arange(size[1]) + 0.5) * height / size[1]).astype(np.int64)
    columns = ((np.arange(size[0]) + 0.5) * width / size[0]).astype(np.int64)
    segments = sample.segments[rows[:, None], columns]
    return labelled_image(sample.name, image, segments, sample.categories, sample.crowd)


class Samples(Sequence[LabelledImage]):
    """A data set that reads an image when it is asked for.

    categories: the classes, in the order that LabelledImage.categories counts. names: the images' names, in order.
    With `cache`, what was read once is kept in memory: the image as uint8, the segments as uint8 where there are fewer
    than 256 of them. With `long_side`, images are made smaller to that long side first (see `scaled`).
    """

    def __init__(
        self,
        categories: Sequence[Category],
        names: Sequence[str],
        load: Callable[[int], LabelledImage],
        *,
        long_side: int | None = None,
        cache: bool = False,
    ) -> None:
        self.categories = list(categories)
        self.names = list(names)
        self.long_side = long_side
        self._load = load
        self._isthing = np.array([one["isthing"] for one in self.categories], bool)
        self._cache: dict[int, tuple[np.ndarray, ...]] | None = {} if cache else None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index):  # type: ignore[override]  # int -> LabelledImage, slice -> Samples
        if isinstance(index, slice):
            return self.subset(range(len(self))[index])
        position = range(len(self))[index]  # negative ones too, and IndexError
        if self._cache is not None and position in self._cache:
            image, small, categories, crowd = self._cache[position]
            segments = small.astype(np.int32) - 1
            return LabelledImage(self.names[position], image, segments, categories, crowd)
        sample = self._load(position)
        self._check(sample)
        if self.long_side is not None:
            sample = scaled(sample, self.long_side)
        if self._cache is not None:
            count = len(sample.categories)
            small = (sample.segments + 1).astype(np.uint8 if count < 256 else np.uint16 if count < 65536 else np.int32)
            self._cache[position] = sample.image, small, sample.categories, sample.crowd
        return sample

    def __iter__(self) -> Iterator[LabelledImage]:
        return (self[index] for index in range(len(self)))

    def subset(self, indices: Sequence[int]) -> Samples:
        """The samples at `indices`, with a cache of their own where this one has one. Shares no memory with this."""
        chosen = list(indices)
        return Samples(
            self.categories,
            [self.names[index] for index in chosen],
            lambda index: self._load(chosen[index]),
            long_side=self.long_side,
            cache=self._cache is not None,
        )

    def _check(self, sample: LabelledImage) -> None:
        if len(sample.categories) and sample.categories.max() >= len(self.categories):
            raise DataError(f"{sample.name}: class {sample.categories.max()} of {len(self.categories)} classes")
        stuff = sample.categories[~self._isthing[sample.categories]]
        if len(np.unique(stuff)) < len(stuff):
            raise DataError(f"{sample.name}: a stuff class has more than one segment")


def voc_color(index: int) -> list[int]:
    """Colour of a class in the PASCAL VOC colour map, RGB: the bits of the index, spread over the channels."""
    color = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            color[channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
    return color
