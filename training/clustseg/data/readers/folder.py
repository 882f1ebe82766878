"""A plain folder of images and masks.

    <root>/dataset.json                     what the masks mean (or given as options)
    <root>/images/<name>.jpg, masks/<name>.png
    <root>/<split>/images/..., <split>/masks/...     where there are splits; else a fifth of the images is val

or, with one mask file an object, <root>/masks/<name>/*.png, or the original layout of the Data Science Bowl 2018:
<root>/<name>/images/<name>.png, <root>/<name>/masks/*.png.

dataset.json: {"masks": "instances" | "classes" | "panoptic" | "objects", "classes": [...], "void": 255,
"divisor": 1000}, where
- "instances": the mask's values are objects' ids, 0 = background; all are of the one class
- "classes":   values are classes: position in `classes`, or its "value"; RGB masks by the classes' "color"
- "panoptic":  value = class x divisor + object; object 0 = not told apart (stuff, or a crowd)
- "objects":   one file an object, where it is not black; all are of the one class
A class is a name, or {"name", "value", "isthing", "color"}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clustseg.data.readers.files import IMAGE_SUFFIXES, image_paths, read_ids, read_rgb
from clustseg.data.readers.sources import part_of, read_json
from clustseg.data.samples import VOID, Category, DataError, LabelledImage, Samples, index_values, labelled_image, voc_color

KINDS = ("instances", "classes", "panoptic", "objects")
SPLITS = ("train", "val", "test")
_LOSSY = (".jpg", ".jpeg")


@dataclass(frozen=True)
class MaskMeaning:
    """What the values of masks mean: `values` [C] of the classes beside their `categories` [C], void value or None."""

    kind: str
    categories: list[Category]
    values: list[int]
    void: int | None
    divisor: int
    colored: bool


def read_folder(
    root: Path | str,
    split: str | None = None,
    *,
    masks: str | None = None,
    classes: Sequence[str | dict] | None = None,
    void: int | None = None,
    divisor: int | None = None,
    long_side: int | None = None,
    cache: bool = False,
) -> Samples:
    """A data set as described at the top of this file. What is given here goes before what dataset.json says."""
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder")
    described = read_json(root / "dataset.json") if (root / "dataset.json").exists() else {}
    if not isinstance(described, dict):
        raise DataError(f'{root / "dataset.json"}: expected an object such as {{"masks": "instances"}}')
    unknown = sorted(set(described) - {"masks", "classes", "void", "divisor"})
    if unknown:
        raise DataError(f'{root / "dataset.json"}: "{unknown[0]}" is not known there; it holds masks, classes, void and divisor')
    options = {**described}
    given = {"masks": masks, "classes": classes, "void": void, "divisor": divisor}
    options.update({key: value for key, value in given.items() if value is not None})

    base = root / split if split is not None and (root / split).is_dir() else root
    own_split = base != root
    splits = [name for name in SPLITS if (root / name / "images").is_dir()]
    if split is not None and not own_split and splits and not (root / "images").is_dir():
        raise DataError(
            f"{root}: there is {splits[0]}/, but no {split}/; move some images and their masks there (about a fifth of all), "
            "or have no splits: one images/ and one masks/"
        )
    pairs = _pairs(base)
    if "masks" not in options and pairs[0][1].is_dir():
        options["masks"] = "objects"
    meaning = _meaning(options, root)
    for image, mask in pairs:
        if (meaning.kind == "objects") != mask.is_dir():
            wanted = "a folder with one mask an object" if meaning.kind == "objects" else "one file"
            raise DataError(f"{mask}: for masks of kind {meaning.kind}, expected {wanted}")
        if mask.suffix.lower() in _LOSSY:
            raise DataError(f"{mask}: JPEG changes the values of masks; save masks as PNG")

    readers: dict[str, Callable[[Path, tuple[int, int], MaskMeaning], _Labels]] = {
        "instances": _instances,
        "classes": _classes,
        "panoptic": _panoptic,
        "objects": _objects,
    }

    def load(index: int) -> LabelledImage:
        path, mask = pairs[index]
        image = read_rgb(path)
        segments, categories, crowd = readers[meaning.kind](mask, (image.shape[1], image.shape[0]), meaning)
        return labelled_image(path.stem, image, segments, categories, crowd)

    samples = Samples(meaning.categories, [path.stem for path, _ in pairs], load, long_side=long_side, cache=cache)
    return samples if own_split else part_of(samples, split)


_Labels = tuple[np.ndarray, Sequence[int], Sequence[bool] | None]


def _pairs(base: Path) -> list[tuple[Path, Path]]:
    """Each image and its mask: a file, or a folder of files."""
    if (base / "images").is_dir():
        folder = base / "masks"
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder; masks lie there, each with the name of its image{_export_in(base)}")
        masks = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES}
        masks.update({path.name: path for path in folder.iterdir() if path.is_dir()})
        images = image_paths(base / "images")
        pairs = [(path, masks.get(path.stem, folder / f"{path.stem}.png")) for path in images]
        _check_pairs(pairs, [masks[name] for name in sorted(masks.keys() - {path.stem for path in images})])
        return pairs
    objects = sorted(path for path in base.iterdir() if (path / "images").is_dir() and (path / "masks").is_dir())
    if not objects:
        loose = any(path.suffix.lower() in IMAGE_SUFFIXES for path in base.iterdir())
        hint = "; move the images that lie in it into images/" if loose else _export_in(base)
        raise DataError(f"{base}: expected the folders images/ and masks/ in it, or <name>/images and <name>/masks{hint}")
    pairs = []
    for path in objects:
        images = image_paths(path / "images")
        if len(images) > 1:
            raise DataError(f"{path / 'images'}: holds {len(images)} images, but the masks beside it are of one")
        pairs.append((images[0], path / "masks"))
    return pairs


def _check_pairs(pairs: list[tuple[Path, Path]], orphans: list[Path]) -> None:
    """Raises DataError where an image has no mask, or a mask no image (`orphans`)."""

    def more(count: int) -> str:
        return f" (and {count - 1} more such)" if count > 1 else ""

    missing = [(image, mask) for image, mask in pairs if not mask.exists()]
    if missing:
        image, mask = missing[0]
        hint = (
            f"masks without an image are called {orphans[0].name}{more(len(orphans))}: give each mask the name of its image"
            if orphans
            else "add it (all 0 where there is nothing to see), or take the image out"
        )
        raise DataError(f"{mask}: there is no mask of {image.name}{more(len(missing))}; {hint}")
    if orphans:
        folder = pairs[0][0].parent
        raise DataError(f"{orphans[0]}: the mask has no image in {folder}{more(len(orphans))}; put it there, or take the mask out")


def _export_in(folder: Path) -> str:
    """A hint, where the folder holds what may be a tool's export."""
    files = [path for pattern in ("*.json", "*.xml", "annotations/*.json") for path in sorted(folder.glob(pattern))]
    files = [path for path in files if path.name != "dataset.json"]
    return f"; if {files[0]} is an export of COCO, CVAT or Label Studio, give that file" if files else ""


def _meaning(options: dict[str, Any], root: Path) -> MaskMeaning:
    source = root / "dataset.json"
    kind = options.get("masks")
    if kind not in KINDS:
        what = "what the masks mean is not said" if kind is None else f"masks are {kind!r}"
        raise DataError(
            f'{source}: {what}; write {{"masks": "instances"}} there, or one of {", ".join(KINDS)}: values are the numbers of objects, '
            "classes, class x 1000 + object, or each object has a file"
        )
    rows = options.get("classes", ["object"] if kind in ("instances", "objects") else None)
    if not isinstance(rows, (list, tuple)) or not rows:
        raise DataError(f'{source}: the classes are missing; write {{"classes": ["background", "leaf", ...]}}')
    things = kind in ("instances", "objects", "panoptic")
    categories: list[Category] = []
    values: list[int] = []
    colored = False
    if kind in ("instances", "objects"):
        rows = [row for row in rows if (row if isinstance(row, str) else row.get("name")) != "background"]
        if len(rows) != 1:
            raise DataError(f"{source}: {kind} masks are of one class, but {len(rows)} are given; use panoptic masks")
        rows = ["background", *rows]
    for index, row in enumerate(rows):
        row = {"name": row} if isinstance(row, str) else row
        valid = isinstance(row, dict) and isinstance(row.get("name"), str) and isinstance(row.get("value", index), int)
        if not valid:
            raise DataError(f'{source}: a class is a name or {{"name", "value", "isthing", "color"}}, not {row!r}')
        colored |= "color" in row
        color = row.get("color", [0, 0, 0] if row["name"] == "background" else voc_color(index if index else len(rows)))
        if not isinstance(color, (list, tuple)) or len(color) != 3 or not all(isinstance(one, int) for one in color):
            raise DataError(f"{source}: the color of {row['name']} is to be [red, green, blue], 0..255")
        isthing = bool(row.get("isthing", things)) and row["name"] != "background"
        values.append(row.get("value", index))
        categories.append({"id": values[-1], "name": row["name"], "isthing": isthing, "color": list(color)})
    if len(set(values)) < len(values) or len({one["name"] for one in categories}) < len(categories):
        raise DataError(f"{source}: two classes have one name or one value")
    void, divisor = options.get("void"), options.get("divisor", 1000)
    if not isinstance(void, (int, type(None))) or not isinstance(divisor, int) or divisor < 2:
        raise DataError(f"{source}: void is to be a value of the masks, divisor a whole number from 2")
    return MaskMeaning(kind, categories, values, void, divisor, colored)


def _places(values: np.ndarray, meaning: MaskMeaning, path: Path) -> list[int]:
    """Positions of the classes with these values."""
    places = {value: index for index, value in enumerate(meaning.values)}
    unknown = [int(value) for value in values if int(value) not in places]
    if unknown:
        ignored = "" if meaning.kind == "panoptic" else f', or say {{"void": {unknown[0]}}} if it is to be ignored'
        raise DataError(
            f"{path}: holds class {unknown[0]}, but classes have the values {', '.join(map(str, sorted(places)))}; "
            f"list it in dataset.json{ignored}"
        )
    return [places[int(value)] for value in values]


def _instances(path: Path, size: tuple[int, int], meaning: MaskMeaning) -> _Labels:
    ids = read_ids(path, size)
    segments, values = index_values(ids, None if meaning.void is None else ids == meaning.void)
    return segments, (values > 0).astype(np.int64), None


def _classes(path: Path, size: tuple[int, int], meaning: MaskMeaning) -> _Labels:
    ids = _class_map(path, size, meaning)
    segments, values = index_values(ids - ids.min(), None if meaning.void is None else ids == meaning.void)
    places = _places(values + ids.min(), meaning, path)
    return segments, places, [meaning.categories[place]["isthing"] for place in places]


def _class_map(path: Path, size: tuple[int, int], meaning: MaskMeaning) -> np.ndarray:
    try:
        with Image.open(path) as file:
            rgb = np.asarray(file.convert("RGB")).astype(np.int64) if file.mode in ("RGB", "RGBA") else None
    except (OSError, SyntaxError):
        rgb = None  # read_ids says what is wrong
    if rgb is None:
        return read_ids(path, size)
    if not meaning.colored:
        raise DataError(f'{path}: is a mask in colours; give each class its "color" in dataset.json, or save numbers')
    if (rgb.shape[1], rgb.shape[0]) != size:
        raise DataError(f"{path}: is {rgb.shape[1]} x {rgb.shape[0]} pixels but its image {size[0]} x {size[1]}")
    packed = (rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]
    colors, inverse = np.unique(packed, return_inverse=True)
    known = {}
    for category, value in zip(meaning.categories, meaning.values):
        red, green, blue = category["color"]
        known[(red << 16) | (green << 8) | blue] = value
    unknown = [int(color) for color in colors if int(color) not in known]
    if unknown and meaning.void is None:
        color = [unknown[0] >> 16, unknown[0] >> 8 & 255, unknown[0] & 255]
        raise DataError(
            f"{path}: holds the colour {color}, which no class has; list it in dataset.json, or say "
            '{"void": 255} if colours of no class are to be ignored'
        )
    return np.array([known.get(int(color), meaning.void) for color in colors])[inverse].reshape(packed.shape)


def _panoptic(path: Path, size: tuple[int, int], meaning: MaskMeaning) -> _Labels:
    ids = read_ids(path, size)
    segments, values = index_values(ids, None if meaning.void is None else ids == meaning.void)
    places = np.array(_places(values // meaning.divisor, meaning, path), np.int64)
    thing = np.array([one["isthing"] for one in meaning.categories], bool)[places]
    # Stuff is one segment a class, whatever number its parts have.
    key = np.where(thing, values, values // meaning.divisor * meaning.divisor)
    kept, renamed = np.unique(key, return_inverse=True)
    first = np.array([int(np.flatnonzero(key == one)[0]) for one in kept], np.int64)
    merged = np.append(renamed, VOID)[segments]
    return merged, places[first], (kept % meaning.divisor == 0) & thing[first]


def _objects(path: Path, size: tuple[int, int], meaning: MaskMeaning) -> _Labels:
    """Files in order of names; where two objects overlap, the smaller one lies on top."""
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    masks = []
    for file in files:
        try:
            with Image.open(file) as opened:
                mask = np.asarray(opened.convert("L") if opened.mode not in ("I", "I;16", "F") else opened) > 0
        except (OSError, SyntaxError) as error:
            raise DataError(f"{file}: cannot be read as a mask ({error}); save it as PNG again") from error
        if (mask.shape[1], mask.shape[0]) != size:
            raise DataError(f"{file}: is {mask.shape[1]} x {mask.shape[0]} pixels but its image {size[0]} x {size[1]}")
        masks.append(mask)
    segments = np.zeros((size[1], size[0]), np.int32)
    for index in sorted(range(len(masks)), key=lambda index: -int(masks[index].sum())):
        segments[masks[index]] = index + 1
    return segments, [0] + [1] * len(masks), None
