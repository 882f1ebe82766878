"""Data Science Bowl 2018 (nuclei), prepared: <split>/images/<id>.png, <split>/labels/<id>.png (16 bits, one id a
nucleus), modality.json. Its original layout, a folder of masks an image, is read by `clustseg.data.readers.folder`."""

from __future__ import annotations

import json
from pathlib import Path

from clustseg.data.readers.files import image_paths, read_ids, read_rgb
from clustseg.data.samples import Category, DataError, LabelledImage, Samples, index_values, labelled_image

CATEGORIES: list[Category] = [
    {"id": 0, "name": "background", "isthing": False, "color": [0, 0, 0]},
    {"id": 1, "name": "nucleus", "isthing": True, "color": [64, 160, 255]},
]


def read_dsb2018(root: Path | str, split: str, *, long_side: int | None = None, cache: bool = False) -> Samples:
    """A split (train, val) of the nuclei; `root` is the folder that holds the splits. Grey images come as RGB."""
    folder = Path(root) / split
    paths = image_paths(folder / "images")

    def load(index: int) -> LabelledImage:
        path = paths[index]
        image = read_rgb(path)
        ids = read_ids(folder / "labels" / f"{path.stem}.png", (image.shape[1], image.shape[0]))
        segments, values = index_values(ids)
        return labelled_image(path.stem, image, segments, values > 0)

    return Samples(CATEGORIES, [path.stem for path in paths], load, long_side=long_side, cache=cache)


def read_modality(root: Path | str) -> dict[str, str]:
    """Kind of each image by its name: "dark" (fluorescence), "bright" (bright field) or "colour" (stained tissue)."""
    path = Path(root) / "modality.json"
    try:
        modality = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: missing; it names the kind of each image as {{id: kind}}") from None
    except ValueError as error:
        raise DataError(f"{path}: is not JSON ({error})") from error
    if not isinstance(modality, dict) or not all(isinstance(kind, str) for kind in modality.values()):
        raise DataError(f"{path}: expected an object of strings, {{id: kind}}")
    return modality
