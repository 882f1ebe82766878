"""ADE20K as the scene parsing benchmark lays it out (ADEChallengeData2016): 150 classes, one map an image."""

from __future__ import annotations

from pathlib import Path

from clustseg.data.readers.files import image_paths, read_ids, read_rgb
from clustseg.data.samples import Category, DataError, LabelledImage, Samples, index_values, labelled_image, voc_color

_FOLDERS = {"train": "training", "val": "validation", "training": "training", "validation": "validation"}


def read_ade20k(root: Path | str, split: str, *, long_side: int | None = None, cache: bool = False) -> Samples:
    """A split (train, val): images/<training|validation>/<id>.jpg, annotations/<...>/<id>.png (0 = other, which is
    void, 1..150 = class) and objectInfo150.txt, which names the classes. The maps tell no objects apart, so all are
    stuff."""
    root = Path(root)
    if split not in _FOLDERS:
        raise DataError(f"there is no split {split}; ADE20K has train and val")
    categories = read_ade20k_categories(root / "objectInfo150.txt")
    paths = image_paths(root / "images" / _FOLDERS[split])
    labels = root / "annotations" / _FOLDERS[split]

    def load(index: int) -> LabelledImage:
        path = paths[index]
        image = read_rgb(path)
        label = labels / f"{path.stem}.png"
        ids = read_ids(label, (image.shape[1], image.shape[0]))
        if ids.max() > len(categories):
            raise DataError(f"{label}: class {ids.max()} found, but classes are 1..{len(categories)} and 0 = other")
        segments, values = index_values(ids, ids == 0)
        return labelled_image(path.stem, image, segments, values - 1)

    return Samples(categories, [path.stem for path in paths], load, long_side=long_side, cache=cache)


def read_ade20k_categories(path: Path) -> list[Category]:
    """The classes of objectInfo150.txt (columns Idx, Ratio, Train, Val, Name by tabs), with ids as in the maps. Of
    several synonyms the first is the name, unless two classes would have it."""
    try:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:] if line.strip()]
        names = [(int(row[0]), row[4].strip()) for row in rows]
    except FileNotFoundError:
        raise DataError(f"{path}: is missing; it comes with ADEChallengeData2016 and names the classes") from None
    except (IndexError, ValueError) as error:
        raise DataError(f"{path}: expected lines of Idx, Ratio, Train, Val, Name parted by tabs ({error})") from error
    if [number for number, _ in names] != list(range(1, len(names) + 1)):
        raise DataError(f"{path}: classes are not numbered 1, 2, 3, ...; take the file of the data set as it came")
    short = [name.split(",")[0].strip() for _, name in names]
    return [
        {
            "id": number,
            "name": short[number - 1] if short.count(short[number - 1]) == 1 else name,
            "isthing": False,
            "color": voc_color(number),
        }
        for number, name in names
    ]
