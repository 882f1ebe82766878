"""Opens a data set of any layout that the readers know, by looking at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clustseg.readers.ade20k import read_ade20k
from clustseg.readers.coco import read_coco, read_coco_instances, read_coco_panoptic
from clustseg.readers.cvat import read_cvat
from clustseg.readers.folder import read_folder
from clustseg.readers.label_studio import read_label_studio
from clustseg.readers.sources import part_of, read_json
from clustseg.samples import DataError, Samples


def read_any(path: Path | str, split: str | None = None, images: Path | str | None = None, **options: Any) -> Samples:
    """A folder of images and masks (`read_folder`), CVAT's unpacked export, COCO 2017 or ADE20K as downloaded; or a
    file: CVAT's XML, COCO's or Label Studio's JSON.

    `images` is the folder of the images; for files, the folder images/ beside it, or the file's own folder, is the
    default. `options` go to the reader. Of sources without splits, "val" is a fifth of the images (see `part_of`).
    """
    path = Path(path)
    if path.is_dir():
        if (path / "annotations.xml").exists():
            return read_cvat(path, split, images=images, **options)
        if (path / "objectInfo150.txt").exists():
            return read_ade20k(path, split or "train", **options)
        if (path / "annotations").is_dir() and (path / f"{split or 'train'}2017").is_dir():
            return read_coco(path, split or "train", **options)
        return read_folder(path, split, **options)
    beside = path.parent / "images"
    folder = Path(images) if images is not None else beside if beside.is_dir() else path.parent
    if path.suffix.lower() == ".xml":
        return read_cvat(path, split, images=folder, **options)
    if path.suffix.lower() != ".json":
        raise DataError(f"{path}: expected a folder, CVAT's annotations.xml, or a JSON file of COCO or Label Studio")
    data = read_json(path)
    if isinstance(data, list):
        return read_label_studio(path, split, images=folder, **options)
    annotations = data.get("annotations") if isinstance(data, dict) else None
    if isinstance(annotations, list) and annotations and "segments_info" in annotations[0]:
        return part_of(read_coco_panoptic(path, folder, **options), split)
    return part_of(read_coco_instances(path, folder, **options), split)
