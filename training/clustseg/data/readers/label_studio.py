"""Label Studio's JSON export: polygons, brush masks (in its own run-length code) and ellipses."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from clustseg.data.readers.files import read_rgb
from clustseg.data.readers.shapes import Shape, box, ellipse, paint, placed, polygons
from clustseg.data.readers.sources import ImageFolder, Unlabelled, drawn_categories, part_of, positions, read_json
from clustseg.data.samples import VOID, DataError, LabelledImage, Samples

_AREA_KINDS = ("polygon", "brush", "ellipse")
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")


def read_label_studio(
    annotations: Path | str,
    split: str | None = None,
    *,
    images: Path | str,
    classes: Sequence[str] | None = None,
    stuff: Collection[str] = (),
    unlabelled: Unlabelled = "background",
    long_side: int | None = None,
    cache: bool = False,
) -> Samples:
    """Tasks of a JSON export (not JSON-MIN) with their images below `images`.

    Tasks without a submitted annotation are left out; one with an empty annotation is an image of background. Of
    several annotations the one marked as ground truth counts, else the latest. Later regions lie over earlier ones.
    Classes are those found, by name, or `classes` in its order; all are things but those in `stuff`. The pixels of a
    rectangle are void where no other region lies. `split`: see `part_of`.
    """
    path = Path(annotations)
    tasks = read_json(path)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise DataError(f"{path}: is no Label Studio export; expected a list of tasks")
    if tasks and "annotations" not in tasks[0]:
        hint = "submit its predictions in Label Studio, then export" if "predictions" in tasks[0] else "export as JSON, not as JSON-MIN"
        raise DataError(f"{path}: its tasks have no annotations; {hint}")
    chosen = [(task, regions) for task in tasks if (regions := _regions(task)) is not None]
    if not chosen:
        raise DataError(f"{path}: none of its {len(tasks)} tasks has a submitted annotation")
    drawn = [one for _, regions in chosen for one in regions if _kind(one) in _AREA_KINDS]
    found = sorted({label for one in drawn if (label := _label(one))})
    if not found:
        raise DataError(f"{path}: has no labelled polygon, brush or ellipse; rectangles and points do not teach masks")
    names = found if classes is None else list(classes)
    if set(found) - set(names):
        extra = sorted(set(found) - set(names))[0]
        raise DataError(f"{path}: has the class {extra}, which is not among {', '.join(names)}")
    try:
        categories = drawn_categories(names, (), stuff, unlabelled)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    places = positions(categories) | {name: 0 for name in names if name.lower() == "background"}
    folder = ImageFolder(Path(images))
    files = _files(folder, [_image_names(task, path) for task, _ in chosen], path)

    def load(index: int) -> LabelledImage:
        task, regions = chosen[index]
        shapes = []
        size = None
        for one in regions:
            try:
                shape = _shape(one, places)
                size = size or (int(one["original_width"]), int(one["original_height"])) if shape else size
            except (DataError, KeyError, TypeError, ValueError) as error:
                reason = f"{error.args[0]} is missing or unknown" if isinstance(error, KeyError) else str(error)
                raise DataError(f"{path}: region {one.get('id')} of task {task.get('id')}: {reason}") from error
            shapes += [shape] if shape else []
        image = read_rgb(files[index], size)
        return paint(files[index].stem, image, shapes, categories, 0 if unlabelled == "background" else None)

    samples = Samples(categories, [file.stem for file in files], load, long_side=long_side, cache=cache)
    return part_of(samples, split)


def decode_brush(code: Sequence[int] | bytes) -> np.ndarray:
    """Values uint8 [n] of Label Studio's run-length code (the "rle-pack" of thi.ng/umbrella), which has for each pixel
    red, green, blue and alpha.

    A stream of bits, the highest of a byte first: 32 bits n; 5 bits the bits of a value - 1; 4 x 4 bits the widths
    w0..w3 of run lengths - 1. Then blocks: 1 bit run or not, 2 bits which width, that many bits length - 1, and for a
    run one value, else as many as the length says.
    """
    data = bytes(code)
    at = 0

    def read(width: int) -> int:
        nonlocal at
        first, at = at // 8, at + width
        last = (at + 7) // 8
        if last > len(data):
            raise DataError("the brush mask ends early; export it again")
        return int.from_bytes(data[first:last], "big") >> (8 * last - at) & ((1 << width) - 1)

    count = read(32)
    size = read(5) + 1
    if size > 8:
        raise DataError(f"the brush mask has values of {size} bits; Label Studio writes 8")
    widths = [read(4) + 1 for _ in range(4)]
    values = bytearray()
    while len(values) < count:
        run = read(1)
        length = read(widths[read(2)]) + 1
        if run:
            values += bytes((read(size),)) * length
        else:
            values += bytes(read(size) for _ in range(length))
        if len(values) > count:
            raise DataError(f"the brush mask holds more than the {count} values that it announces; export it again")
    return np.frombuffer(bytes(values), np.uint8)


def _regions(task: dict) -> list[dict] | None:
    """Regions of the annotation that counts, None where there is none."""
    submitted = [one for one in task.get("annotations") or () if not one.get("was_cancelled")]
    if not submitted:
        return None
    best = max(submitted, key=lambda one: (bool(one.get("ground_truth")), str(one.get("updated_at", ""))))
    regions = [one for one in best.get("result") or () if isinstance(one, dict) and isinstance(one.get("value"), dict)]
    # Separate <Brush> and <Labels> tags write two results with one id: the shape, then the same with its labels.
    labelled = {one.get("id") for one in regions if _label(one)}
    return [one for one in regions if _label(one) or one.get("id") not in labelled]


def _kind(region: dict) -> str:
    """polygon, brush, ellipse, rectangle, or another word; by what the value holds, as types vary with the tags."""
    value = region["value"]
    for key, kind in (("points", "polygon"), ("rle", "brush"), ("radiusX", "ellipse"), ("width", "rectangle")):
        if key in value:
            return kind
    return str(region.get("type"))


def _label(region: dict) -> str | None:
    kind = str(region.get("type"))
    names = region["value"].get(kind) or region["value"].get("labels")
    return names[0] if isinstance(names, list) and names and isinstance(names[0], str) else None


def _shape(region: dict, places: dict[str, int]) -> Shape | None:
    value, kind, label = region["value"], _kind(region), _label(region)
    if "bitmask" in str(region.get("type")) or "imageDataURL" in value:
        raise DataError("is a bitmask, which is not read; draw it with the brush or as a polygon")
    if kind not in (*_AREA_KINDS, "rectangle"):
        return None  # key points, choices, texts, relations
    if region.get("image_rotation"):
        raise DataError("the image was turned in Label Studio; turn it back, or turn the file before the upload")
    width, height = int(region["original_width"]), int(region["original_height"])
    across, down = width / 100, height / 100  # coordinates are percents
    if kind == "rectangle":
        # Turned about its upper left corner; the box around it is enough for void.
        angle = np.radians(float(value.get("rotation", 0)))
        sides = np.array([[0, 0], [value["width"] * across, 0], [0, value["height"] * down]])
        corners = np.array([sides[0], sides[1], sides[2], sides[1] + sides[2]])
        turned = corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        x, y = turned[:, 0] + value["x"] * across, turned[:, 1] + value["y"] * down
        return Shape(VOID, box(x.min(), y.min(), x.max(), y.max()))
    if label is None:
        raise DataError("has no label; give it one or delete it")
    category = places[label]
    if kind == "polygon":
        ring = [coordinate for x, y in value["points"] for coordinate in (x * across, y * down)]
        return Shape(category, polygons([ring]))
    if kind == "ellipse":
        radii = value["radiusX"] * across, value["radiusY"] * down
        return Shape(category, ellipse(value["x"] * across, value["y"] * down, *radii, float(value.get("rotation", 0))))
    if value.get("format", "rle") != "rle":
        raise DataError(f"its mask is of format {value['format']}, and only rle is known")
    pixels = decode_brush(value["rle"])
    if len(pixels) != width * height * 4:
        raise DataError(f"its mask has {len(pixels)} values, but {width} x {height} pixels have {width * height * 4}")
    alpha = pixels.reshape(height, width, 4)[..., 3]
    return Shape(category, placed(alpha > 0, 0, 0))


def _image_names(task: dict, path: Path) -> list[str]:
    """Names under which the task's image may lie in the folder, the likeliest first."""
    data: Any = task.get("data")
    texts = [value for value in data.values() if isinstance(value, str)] if isinstance(data, dict) else []
    address = data.get("image") if isinstance(data, dict) and isinstance(data.get("image"), str) else (texts or [""])[0]
    if not address:
        raise DataError(f"{path}: task {task.get('id')} names no image in its data")
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d")  # /data/local-files/?d=folder/image.jpg
    name = local[0] if local else unquote(parts.path)
    bare = name.replace("\\", "/").rsplit("/", 1)[-1]
    # Uploads get eight random digits before their name.
    return [name, _UPLOAD_PREFIX.sub("", bare)]


def _files(folder: ImageFolder, names: list[list[str]], path: Path) -> list[Path]:
    found = [next((name for name in choices if folder.find(name)), choices[0]) for choices in names]
    return folder.find_all(found, path)
