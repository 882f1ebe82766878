"""PASCAL VOC with instances: <split>/images/<id>.jpg, <split>/semantic/<id>.png (class 0..20, 255 = void), for some
images <split>/instance/<id>.png (0 = none, 255 = ambiguous, else one id an object)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clustseg.data.readers.files import image_paths, read_ids, read_rgb
from clustseg.data.samples import Category, DataError, LabelledImage, Samples, index_values, labelled_image, voc_color

_NAMES = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
    "pottedplant sheep sofa train tvmonitor"
).split()

CATEGORIES: list[Category] = [
    {"id": index, "name": name, "isthing": index > 0, "color": voc_color(index)} for index, name in enumerate(_NAMES)
]

_VOID = 255
_AMBIGUOUS = 255


def read_voc(root: Path | str, split: str, *, long_side: int | None = None, cache: bool = False) -> Samples:
    """A split (train, val) of VOC; `root` is the folder that holds the splits. Pixels of a class that no object's id
    covers are one crowd segment a class."""
    folder = Path(root) / split
    paths = image_paths(folder / "images")

    def load(index: int) -> LabelledImage:
        path = paths[index]
        image = read_rgb(path)
        size = image.shape[1], image.shape[0]
        label = folder / "semantic" / f"{path.stem}.png"
        classes = read_ids(label, size)
        wrong = classes[(classes >= len(CATEGORIES)) & (classes != _VOID)]
        if len(wrong):
            raise DataError(f"{label}: class {wrong[0]} found, but classes are 0..20 and 255 = void")
        instance = folder / "instance" / f"{path.stem}.png"
        ids = read_ids(instance, size) if instance.exists() else np.zeros_like(classes)
        # An object's id and its class together name a segment. Crowds come last, the background first.
        ids[(ids == 0) | (ids >= _AMBIGUOUS)] = _AMBIGUOUS
        ids[classes == 0] = 0
        segments, keys = index_values(ids * 256 + classes, classes == _VOID)
        return labelled_image(path.stem, image, segments, keys % 256, keys // 256 == _AMBIGUOUS)

    return Samples(CATEGORIES, [path.stem for path in paths], load, long_side=long_side, cache=cache)


def has_instances(root: Path | str, split: str) -> list[bool]:
    """Whether each image of `read_voc` in its order has objects told apart."""
    folder = Path(root) / split
    return [(folder / "instance" / f"{path.stem}.png").exists() for path in image_paths(folder / "images")]
