"""What a bundle's model.json says besides its graph: name, classes, size policy, defaults, terms, limits."""

from __future__ import annotations

from dataclasses import dataclass

from clustseg.data.readers.camvid import CATEGORIES as STREET
from clustseg.data.readers.dsb2018 import CATEGORIES as NUCLEI
from clustseg.data.readers.voc import CATEGORIES as PHOTO
from clustseg.data.samples import Category
from clustseg.model.grid import CELL_MULTIPLE, MAX_CELL, MIN_CELL
from clustseg.model.universal import UniversalClustSeg
from clustseg.training.shared_superpixels import MIN_AREA_RATIO

VERSION = "1.0.0"
_IMAGENET = "Encoder initialised with ImageNet weights of {encoder} (Apache-2.0); ImageNet: non-commercial research."


@dataclass(frozen=True)
class BundleText:
    """`scale` and `mask_tile` are model.json's input policy; `defaults` are chosen on val."""

    name: str
    categories: list[Category]
    data: str
    terms: str
    limits: tuple[str, ...]
    defaults: dict[str, float]
    scale: dict[str, object]
    mask_tile: dict[str, int] | None = None
    tried: tuple[str, ...] = ()
    """For the model card: what was aimed at, and what was done to get there."""


BUNDLES = {
    "street": BundleText(
        name="clustseg-street",
        categories=STREET,
        data="CamVid train, 367 images of 480 x 360",
        terms="CamVid: research.",
        limits=("Trained on drives in one town from a car's dashboard; other views are not measured.",),
        defaults={"threshold": 0.0, "mask_threshold": 0.0, "overlap_threshold": 0.0, "min_area": 16},
        scale={"mode": "fit", "long_side": 480},
        tried=(
            "Aimed at: mIoU .66 on CamVid test (published: BiSeNet .656, ICNet .671).",
            "Brought most: seeing the image 4/3 as large (val +.014 with the same weights) and taking back the weights of rare classes (val +.02); "
            "then time. The mean of the weights of two runs with different light beat both ends on val.",
            "Val (.76) is from a drive that train has too; 97 of the 133 images of test are from one that nothing else has (Seq05VD). What is missing "
            "is variety of light and place, more than time.",
        ),
    ),
    "nuclei": BundleText(
        name="clustseg-nuclei",
        categories=NUCLEI,
        data="Data Science Bowl 2018 (stage 1, with community fixes) train, 498 images of all modalities",
        terms="BBBC038: CC0.",
        limits=(
            "Nuclei of about 6 to 80 pixels across; scale other images to that.",
            "Images are made alike in brightness as a whole, or tile by tile above 512 pixels a side.",
        ),
        defaults={"threshold": 0.5, "mask_threshold": 0.0, "overlap_threshold": 0.0, "min_area": 16},
        scale={"mode": "native"},
        mask_tile={"side": 512, "overlap": 96},
        tried=(
            "Aimed at: AP at IoU .5 of .82 and a mean of .60.",
            "Brought most: seeing the image 3/2 as large (mean +.02), coloured images drawn more often than their share, thresholds and smallest "
            "area chosen on val; the last 80 of 166 minutes brought .01. Seeing it twice as large brought nothing.",
            "Fluorescence is above the aim; stained tissue (11 of 67 images) is what is missing, and of that there are few images to learn from.",
        ),
    ),
    "photo": BundleText(
        name="clustseg-photo",
        categories=PHOTO,
        data="PASCAL VOC 2012 with SBD masks, 2,930 images of long side 320",
        terms="PASCAL VOC, SBD: Flickr terms, research.",
        limits=(
            "Six classes have enough examples: person, cat, dog, horse, cow, sheep. The other fourteen are weak.",
            "Instances were derived from semantic masks and boxes, so figures are not official VOC figures.",
        ),
        defaults={"threshold": 0.5, "mask_threshold": 0.0, "overlap_threshold": 0.0, "min_area": 64},
        scale={"mode": "fit", "long_side": 320},
    ),
}


def bundle_manifest(text: BundleText, network: UniversalClustSeg, graph: dict, about: dict, superpixels: dict | None = None) -> dict:
    """model.json without its metrics. `graph`: the file, its digest and tensors; `about`: minutes and steps of training;
    `superpixels`: those of that task, where the graph has it too."""
    config = network.config
    tasks, defaults = list(config.tasks), dict(text.defaults)
    data, terms = text.data, text.terms
    inputs: dict[str, object] = {"color": "RGB", "multiple": 1, "min_side": 1, "scale": text.scale}
    if text.mask_tile is not None:
        inputs["mask_tile"] = text.mask_tile
    if superpixels is not None:
        data += f"; superpixels on BSDS500 train, 200 images, {superpixels['steps']} steps more in {superpixels['minutes']:.1f} minutes"
        terms += " BSDS500 (superpixels): research and education."
        tasks.append("superpixel")
        inputs["cell_size"] = {"min": MIN_CELL, "max": MAX_CELL, "multiple": CELL_MULTIPLE}
        inputs["tile"] = {"max_pixels": 1_500_000, "overlap_cells": 3, "overlap_pixels": 192, "align": config.deepest_stride}
        defaults |= {"superpixels": 300, "min_area_ratio": MIN_AREA_RATIO}
    return {
        "schema": "clustseg.bundle/1",
        "name": text.name,
        "version": VERSION,
        "tasks": tasks,
        "graph": graph,
        "classes": [dict(category) for category in text.categories],
        "input": inputs,
        "defaults": defaults,
        "training": {
            "data": data,
            "split": "train",
            "steps": about["steps"],
            "minutes": round(about["minutes"], 1),
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "terms": f"{terms} {_IMAGENET.format(encoder=config.encoder)}",
        },
        "metrics": [],
        "licence": "Apache-2.0",
        "limits": list(text.limits),
    }
