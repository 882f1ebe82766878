"""CVAT's export "CVAT for images 1.1": annotations.xml with polygons, masks and ellipses."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Collection
from pathlib import Path

from clustseg.data.readers.files import read_rgb
from clustseg.data.readers.shapes import Shape, box, ellipse, paint, placed, polygons, runs
from clustseg.data.readers.sources import ImageFolder, Unlabelled, drawn_categories, part_of, positions
from clustseg.data.samples import VOID, DataError, LabelledImage, Samples

_AREAS = ("polygon", "mask", "ellipse")
_NO_AREA_LABELS = ("tag", "points", "polyline", "skeleton", "cuboid")


def read_cvat(
    annotations: Path | str,
    split: str | None = None,
    *,
    images: Path | str | None = None,
    stuff: Collection[str] = (),
    unlabelled: Unlabelled = "background",
    keep_empty: bool = True,
    long_side: int | None = None,
    cache: bool = False,
) -> Samples:
    """Images of annotations.xml (or of the unpacked export, a folder with annotations.xml and images/).

    Classes are the project's labels in their order, with their colours; ids from 1, "background" = 0. Shapes lie over
    each other by z_order; shapes of one class and group are one object; those named in `stuff` are one segment a class.
    The pixels of a box are void where no other shape lies; lines, points and tags are not used. `keep_empty` = False
    leaves out images without any shape. `split`: the images' own subset of that name, else see `part_of`.
    """
    path = Path(annotations)
    if path.is_dir():
        path = path / "annotations.xml"
    beside = path.parent / "images"
    folder = Path(images) if images is not None else beside if beside.is_dir() else path.parent
    root = _parse(path)
    if root.find("track") is not None:
        raise DataError(f"{path}: holds tracks of a video; export the task as 'CVAT for images 1.1'")
    rows = [row for row in root.iter("image") if keep_empty or len(row)]
    subsets = {row.get("subset", "").lower() for row in rows}
    if split is not None and split.lower() in subsets:
        rows, split = [row for row in rows if row.get("subset", "").lower() == split.lower()], None
    if not rows:
        raise DataError(f"{path}: has no images; export the task as 'CVAT for images 1.1'")
    if not any(shape.tag in _AREAS for row in rows for shape in row):
        raise DataError(f"{path}: has no polygon, mask or ellipse; boxes, lines and points do not teach masks")
    names, colors = _labels(root)
    try:
        categories = drawn_categories(names, colors, stuff, unlabelled)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    places = positions(categories) | {name: 0 for name in names if name.lower() == "background"}
    files = ImageFolder(folder).find_all([row.get("name", "") for row in rows], path)

    def load(index: int) -> LabelledImage:
        row = rows[index]
        shapes = [shape for shape in row if shape.tag in (*_AREAS, "box")]
        shapes.sort(key=lambda shape: int(shape.get("z_order", 0)))
        try:
            size = int(row.attrib["width"]), int(row.attrib["height"])
            painted = [_shape(shape, places) for shape in shapes]
        except (DataError, KeyError, ValueError) as error:
            reason = f"{error.args[0]} is missing or unknown" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{path}: image {row.get('name')}: {reason}; export the task again") from error
        return paint(
            files[index].stem,
            read_rgb(files[index], size),
            painted,
            categories,
            0 if unlabelled == "background" else None,
        )

    samples = Samples(categories, [file.stem for file in files], load, long_side=long_side, cache=cache)
    return part_of(samples, split)


def _parse(path: Path) -> ElementTree.Element:
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; unpack CVAT's export and give its annotations.xml") from None
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: is not XML ({error}); unpack CVAT's export and give its annotations.xml") from error
    if root.tag != "annotations":
        raise DataError(f"{path}: begins with <{root.tag}>, not <annotations>; export as 'CVAT for images 1.1'")
    return root


def _labels(root: ElementTree.Element) -> tuple[list[str], list[list[int] | None]]:
    """Names and colours of the labels that can have an area, in their order; of the shapes where none are listed."""
    found: dict[str, list[int] | None] = {}
    for label in (one for labels in root.iter("labels") for one in labels.findall("label")):
        name = label.findtext("name")
        if name is not None and label.findtext("type", "any") not in _NO_AREA_LABELS:
            color = label.findtext("color", "").strip().lstrip("#")
            try:
                found.setdefault(name, list(bytes.fromhex(color)[:3]) if len(color) == 6 else None)
            except ValueError:
                found.setdefault(name, None)
    used = {shape.get("label", "") for row in root.iter("image") for shape in row if shape.tag in _AREAS}
    for name in sorted(used - set(found)):
        found[name] = None
    return list(found), list(found.values())


def _shape(shape: ElementTree.Element, places: dict[str, int]) -> Shape:
    def number(key: str) -> float:
        return float(shape.attrib[key])

    if shape.tag == "box":
        return Shape(VOID, box(number("xtl"), number("ytl"), number("xbr"), number("ybr")))
    category = places[shape.attrib["label"]]
    group = int(shape.get("group_id", 0)) or None
    if shape.tag == "polygon":
        points = [value for point in shape.attrib["points"].split(";") for value in point.split(",")]
        return Shape(category, polygons([[float(value) for value in points]]), group=group)
    if shape.tag == "ellipse":
        turned = float(shape.get("rotation", 0))
        return Shape(category, ellipse(number("cx"), number("cy"), number("rx"), number("ry"), turned), group=group)
    # Run lengths row by row within the box, zeros first.
    left, top, width, height = (int(number(key)) for key in ("left", "top", "width", "height"))
    counts = [int(value) for value in shape.attrib["rle"].split(",") if value.strip()]
    return Shape(category, placed(runs(counts, height, width), left, top), group=group)
