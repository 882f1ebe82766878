"""CamVid with the 11 classes of the SegNet tutorial: <split>/images/<id>.jpg, <split>/labels/<id>.png (11 = void)."""

from __future__ import annotations

from pathlib import Path

from clustseg.data.readers.files import image_paths, read_ids, read_rgb
from clustseg.data.samples import Category, DataError, LabelledImage, Samples, index_values, labelled_image

VOID_LABEL = 11

_CLASSES: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("sky", (128, 128, 128)),
    ("building", (128, 0, 0)),
    ("pole", (192, 192, 128)),
    ("road", (128, 64, 128)),
    ("pavement", (60, 40, 222)),
    ("tree", (128, 128, 0)),
    ("sign", (192, 128, 128)),
    ("fence", (64, 64, 128)),
    ("car", (64, 0, 128)),
    ("pedestrian", (64, 64, 0)),
    ("bicyclist", (0, 128, 192)),
)

# Its labels tell no objects apart, so every class is stuff: one segment a class.
CATEGORIES: list[Category] = [
    {"id": index, "name": name, "isthing": False, "color": list(color)} for index, (name, color) in enumerate(_CLASSES)
]


def read_camvid(root: Path | str, split: str, *, long_side: int | None = None, cache: bool = False) -> Samples:
    """A split (train, val, test) of CamVid; `root` is the folder that holds the splits."""
    folder = Path(root) / split
    paths = image_paths(folder / "images")

    def load(index: int) -> LabelledImage:
        path = paths[index]
        image = read_rgb(path)
        label = folder / "labels" / f"{path.stem}.png"
        ids = read_ids(label, (image.shape[1], image.shape[0]))
        if ids.max() > VOID_LABEL:
            raise DataError(f"{label}: class {ids.max()} found, but classes are 0..10 and {VOID_LABEL} = void")
        segments, classes = index_values(ids, ids == VOID_LABEL)
        return labelled_image(path.stem, image, segments, classes)

    return Samples(CATEGORIES, [path.stem for path in paths], load, long_side=long_side, cache=cache)
