"""COCO's instance and panoptic annotations, as COCO lays them out or as tools export them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from clustseg.data.readers.files import read_rgb
from clustseg.data.readers.shapes import Mask, Shape, box, paint, polygons, runs
from clustseg.data.readers.sources import ImageFolder, Unlabelled, read_json
from clustseg.data.samples import VOID, Category, DataError, LabelledImage, Samples, labelled_image, voc_color


def read_coco(
    root: Path | str, split: str, kind: str = "panoptic", *, long_side: int | None = None, cache: bool = False
) -> Samples:
    """COCO 2017 as downloaded: `root` holds <split>2017/ with images and annotations/; split is train or val. `kind` is
    "panoptic" (annotations/panoptic_<split>2017.json and the folder of PNG files of that name) or "instances"."""
    root = Path(root)
    annotations = root / "annotations" / f"{kind}_{split}2017.json"
    images = root / f"{split}2017"
    if kind == "panoptic":
        return read_coco_panoptic(annotations, images, long_side=long_side, cache=cache)
    if kind == "instances":
        return read_coco_instances(annotations, images, long_side=long_side, cache=cache)
    raise DataError(f"there is no kind {kind} of COCO annotations here; give panoptic or instances")


def read_coco_instances(
    annotations: Path | str,
    images: Path | str,
    *,
    stuff: Collection[str] = (),
    unlabelled: Unlabelled = "background",
    keep_empty: bool = True,
    long_side: int | None = None,
    cache: bool = False,
) -> Samples:
    """Objects of a COCO instances file (polygons, RLE compressed or not, crowds).

    Where objects overlap, the smaller one lies on top. Of an object with a box only, the box's pixels are void. Classes
    keep the file's ids. Pixels of no object are the class "background" (stuff, id 0; added where the file has none, and
    if another class has the id 0, all others move up by one), or void with `unlabelled` = "void". Classes named in
    `stuff` are stuff. `keep_empty` = False leaves out images without annotations.
    """
    path = Path(annotations)
    data = _load(path, ("images", "annotations", "categories"))
    categories, places, background = _instance_categories(path, data["categories"], stuff, unlabelled)
    by_image = _grouped(path, data)
    rows = [row for row in data["images"] if keep_empty or by_image.get(row["id"])]
    if not any(one.get("segmentation") for group in by_image.values() for one in group):
        raise DataError(f"{path}: no annotation has a segmentation; boxes alone do not teach masks")
    files = ImageFolder(Path(images)).find_all([row["file_name"] for row in rows], path)

    def load(index: int) -> LabelledImage:
        row = rows[index]
        image = _read_image(files[index], row)
        objects = sorted(by_image.get(row["id"], ()), key=_painting_order)
        shapes = (_shape(one, places, image.shape[:2], path) for one in objects)
        return paint(files[index].stem, image, shapes, categories, background)

    return Samples(categories, [path.stem for path in files], load, long_side=long_side, cache=cache)


def read_coco_panoptic(
    annotations: Path | str,
    images: Path | str,
    segments: Path | str | None = None,
    *,
    long_side: int | None = None,
    cache: bool = False,
) -> Samples:
    """Segments of a COCO panoptic file and its PNG files (id = R + 256 G + 65,536 B, 0 = void), which lie in `segments`
    (default: the folder named like the JSON file, beside it)."""
    path = Path(annotations)
    data = _load(path, ("images", "annotations", "categories"))
    categories: list[Category] = []
    for one in data["categories"]:
        _expect(path, one, {"id": int, "name": str, "isthing": (int, bool)}, "category")
        color = [int(value) for value in one.get("color") or voc_color(len(categories) + 1)]
        categories.append({"id": one["id"], "name": one["name"], "isthing": bool(one["isthing"]), "color": color})
    places = {one["id"]: index for index, one in enumerate(categories)}
    by_image: dict[Any, dict] = {}
    for one in data["annotations"]:
        _expect(path, one, {"image_id": (int, str), "file_name": str, "segments_info": list}, "annotation")
        for segment in one["segments_info"]:
            _expect(path, segment, {"id": int, "category_id": int}, "segment")
            if segment["category_id"] not in places:
                raise DataError(
                    f"{path}: segment {segment['id']} of {one['file_name']} has category {segment['category_id']}, "
                    "which is not in categories"
                )
        by_image[one["image_id"]] = one
    rows = [row for row in data["images"] if row["id"] in by_image]
    if not rows:
        raise DataError(f"{path}: no image has an annotation")
    files = ImageFolder(Path(images)).find_all([row["file_name"] for row in rows], path)
    folder = path.with_suffix("") if segments is None else Path(segments)
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; unpack the PNG files of {path.name} there")

    def load(index: int) -> LabelledImage:
        row, annotation = rows[index], by_image[rows[index]["id"]]
        image = _read_image(files[index], row)
        ids = _read_panoptic_png(folder / annotation["file_name"], image.shape[:2])
        return _panoptic_sample(files[index].stem, image, ids, annotation, categories, places, path)

    return Samples(categories, [path.stem for path in files], load, long_side=long_side, cache=cache)


def _load(path: Path, keys: tuple[str, ...]) -> dict:
    data = read_json(path)
    missing = [key for key in keys if not isinstance(data, dict) or not isinstance(data.get(key), list)]
    if missing:
        raise DataError(f"{path}: is no COCO file, the list {missing[0]} is missing; export as COCO again")
    for row in data["images"]:
        _expect(path, row, {"id": (int, str), "file_name": str}, "image")
    if not data["images"] or not data["categories"]:
        raise DataError(f"{path}: has no {'images' if not data['images'] else 'categories'}")
    return data


def _expect(path: Path, row: Any, fields: Mapping[str, Any], what: str) -> None:
    for key, kind in fields.items():
        if not isinstance(row, dict) or not isinstance(row.get(key), kind):
            raise DataError(f"{path}: an entry of {what} has no valid {key}: {str(row)[:120]}")


def _instance_categories(
    path: Path, rows: list[dict], stuff: Collection[str], unlabelled: Unlabelled
) -> tuple[list[Category], dict[int, int], int | None]:
    """The classes, the position of each COCO id, and the position of the background."""
    categories: list[Category] = []
    for row in rows:
        _expect(path, row, {"id": int, "name": str}, "category")
        thing = bool(row.get("isthing", True)) and row["name"] not in stuff and row["name"].lower() != "background"
        color = [int(value) for value in row.get("color") or voc_color(len(categories) + 1)]
        categories.append({"id": row["id"], "name": row["name"], "isthing": thing, "color": color})
    unknown = set(stuff) - {one["name"] for one in categories}
    if unknown:
        named = ", ".join(one["name"] for one in categories)
        raise DataError(f"{path}: stuff names {', '.join(sorted(unknown))}, but the classes are {named}")
    own = [index for index, one in enumerate(categories) if one["name"].lower() == "background"]
    if unlabelled == "background" and not own:
        categories.insert(0, {"id": 0, "name": "background", "isthing": False, "color": [0, 0, 0]})
        own = [0]
    places = {row["id"]: index + len(categories) - len(rows) for index, row in enumerate(rows)}
    if len(places) < len(rows):
        raise DataError(f"{path}: two categories have one id")
    if own:
        shift = any(one["id"] == 0 for index, one in enumerate(categories) if index != own[0])
        for one in categories:
            one["id"] += shift
        categories[own[0]].update(id=0, name="background")
    return categories, places, own[0] if own and unlabelled == "background" else None


def _grouped(path: Path, data: dict) -> dict[Any, list[dict]]:
    images = {row["id"] for row in data["images"]}
    classes = {row["id"] for row in data["categories"]}
    groups: dict[Any, list[dict]] = {}
    for one in data["annotations"]:
        _expect(path, one, {"image_id": (int, str), "category_id": int}, "annotation")
        if one["image_id"] not in images or one["category_id"] not in classes:
            key = "image_id" if one["image_id"] not in images else "category_id"
            raise DataError(f"{path}: annotation {one.get('id')} has {key} {one[key]}, which the file does not list")
        groups.setdefault(one["image_id"], []).append(one)
    return groups


def _painting_order(one: dict) -> tuple[bool, float]:
    area = one.get("area")
    if not isinstance(area, (int, float)):
        corner = one.get("bbox") or (0, 0, 0, 0)
        area = corner[2] * corner[3]
    return not one.get("iscrowd"), -float(area)


def _shape(one: dict, places: dict[int, int], size: tuple[int, int], path: Path) -> Shape:
    segmentation = one.get("segmentation")
    try:
        if not segmentation:
            left, top, width, height = one["bbox"]
            return Shape(VOID, box(left, top, left + width, top + height))
        return Shape(places[one["category_id"]], _mask(segmentation, size), bool(one.get("iscrowd")))
    except (DataError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: the segmentation of annotation {one.get('id')} cannot be read ({error})") from error


def _mask(segmentation: Any, size: tuple[int, int]) -> Mask:
    if isinstance(segmentation, list):
        flat = isinstance(segmentation[0], (int, float))  # some tools write a single ring without its list
        return polygons([segmentation] if flat else segmentation)
    if list(segmentation["size"]) != list(size):
        raise DataError(f"its size is {segmentation['size']}, but the image's height and width are {list(size)}")
    counts = segmentation["counts"]
    if isinstance(counts, list):
        mask = runs(counts, *size, order="F")
    else:
        mask = coco_mask.decode({"size": list(size), "counts": counts.encode() if isinstance(counts, str) else counts})
    return lambda _height, _width: mask.astype(bool)


def _read_image(file: Path, row: dict) -> np.ndarray:
    return read_rgb(file, (row["width"], row["height"]) if "width" in row and "height" in row else None)


def _read_panoptic_png(path: Path, size: tuple[int, int]) -> np.ndarray:
    try:
        with Image.open(path) as file:
            if file.mode not in ("RGB", "RGBA"):
                raise DataError(f"{path}: expected an RGB PNG (id = R + 256 G + 65,536 B) but found {file.mode}")
            rgb = np.asarray(file.convert("RGB")).astype(np.int64)
    except FileNotFoundError:
        raise DataError(f"{path}: the segments of this image are missing; unpack the PNG files there") from None
    except (OSError, SyntaxError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    if rgb.shape[:2] != size:
        raise DataError(f"{path}: is {rgb.shape[1]} x {rgb.shape[0]} pixels but its image {size[1]} x {size[0]}")
    return rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]


def _panoptic_sample(
    name: str,
    image: np.ndarray,
    ids: np.ndarray,
    annotation: dict,
    categories: list[Category],
    places: dict[int, int],
    path: Path,
) -> LabelledImage:
    present, inverse = np.unique(ids, return_inverse=True)
    classes: list[int] = []
    crowds: list[bool] = []
    number: dict[int, int] = {0: VOID}
    stuff: dict[int, int] = {}
    for one in annotation["segments_info"]:
        place = places[one["category_id"]]
        if place in stuff:  # stuff in several segments is one
            number[one["id"]] = stuff[place]
            continue
        number[one["id"]] = len(classes)
        if not categories[place]["isthing"]:
            stuff[place] = len(classes)
        classes.append(place)
        crowds.append(bool(one.get("iscrowd")))
    unknown = [int(one) for one in present if int(one) not in number]
    if unknown:
        raise DataError(
            f"{path}: {annotation['file_name']} has pixels of segment {unknown[0]}, which segments_info does not list; "
            "the PNG files belong to another JSON file"
        )
    segments = np.array([number[int(one)] for one in present], np.int32)[inverse].reshape(ids.shape)
    return labelled_image(name, image, segments, classes, crowds)
