"""Opens a data set of any layout that the readers know, by looking at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clustseg.data.readers.ade20k import read_ade20k
from clustseg.data.readers.coco import read_coco, read_coco_instances, read_coco_panoptic
from clustseg.data.readers.cvat import read_cvat
from clustseg.data.readers.folder import read_folder
from clustseg.data.readers.label_studio import read_label_studio
from clustseg.data.readers.sources import part_of, read_json
from clustseg.data.samples import DataError, Samples


def read_any(path: Path | str, split: str | None = None, images: Path | str | None = None, **options: Any) -> Samples:
    """A folder of images and masks (`read_folder`), CVAT's unpacked export, COCO 2017 or ADE20K as downloaded; or a
    file: CVAT's XML, COCO's or Label Studio's JSON.

    `images` is the folder of the images; for files, the folder images/ beside it, or the file's own folder, is the
    default (of annotations/FILE.json, as CVAT lays COCO out, images/ beside annotations/). `options` go to the reader. Of
    sources without splits, "val" is a fifth of the images (see `part_of`).
    """
    path = Path(path)
    if path.is_dir():
        if (path / "annotations.xml").exists():
            return read_cvat(path, split, images=images, **options)
        if images is not None:
            raise DataError(f"{path}: a folder of images is given with an annotation file only; give that file, or leave it out")
        if (path / "objectInfo150.txt").exists():
            return read_ade20k(path, split or "train", **_without_drawing(path, options))
        if (path / "annotations").is_dir() and (path / f"{split or 'train'}2017").is_dir():
            return read_coco(path, split or "train", **_without_drawing(path, options))
        return read_folder(path, split, **_without_drawing(path, options))
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    beside = (path.parent.parent if path.parent.name == "annotations" else path.parent) / "images"
    beside = beside if beside.is_dir() else path.parent
    folder = Path(images) if images is not None else beside
    if path.suffix.lower() == ".xml":
        return read_cvat(path, split, images=folder, **options)
    if path.suffix.lower() != ".json":
        unpack = "; unpack it" if path.suffix.lower() == ".zip" else ""
        raise DataError(f"{path}: expected a folder, CVAT's annotations.xml, or a JSON file of COCO or Label Studio{unpack}")
    data = read_json(path)
    if isinstance(data, list):
        return read_label_studio(path, split, images=folder, **options)
    annotations = data.get("annotations") if isinstance(data, dict) else None
    if isinstance(annotations, list) and annotations and "segments_info" in annotations[0]:
        return part_of(read_coco_panoptic(path, folder, **_without_drawing(path, options)), split)
    return part_of(read_coco_instances(path, folder, **options), split)


def _without_drawing(path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """`options`, if none is of those that only annotations drawn in a tool have."""
    instead = {
        "stuff": 'in a folder of masks, say "isthing": false of the class in dataset.json; COCO panoptic files say it themselves',
        "unlabelled": 'in a folder of masks, say in dataset.json which value is "void"',
    }
    for name, hint in instead.items():
        if name in options:
            raise DataError(f"{path}: {name} is for COCO instances, CVAT and Label Studio; {hint}")
    return options
