"""From a data set of one's own to a recipe: sizes of images and objects say what to train, and how the bundle sees images."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clustseg.bundle.text import BundleText
from clustseg.data.augment import AugmentConfig
from clustseg.data.readers.any import read_any
from clustseg.data.samples import Category, DataError, LabelledImage, Samples, labelled_image
from clustseg.losses.masks import MaskLossWeights
from clustseg.model.universal import UniversalConfig
from clustseg.training.recipes import Recipe

OWN_FILE = "own.json"
LONGEST = 512
"""Images are worked at no more than so many pixels on their long side, or in tiles of it."""
FEWEST = 5
"""Images that a data set must have for training and val together."""
SHOWN = 5
"""Faults of a data set that are told at once."""


def add_reader_arguments(parser: argparse.ArgumentParser) -> None:
    """How a data set is read, for commands that take one's own."""
    parser.add_argument("--images", type=Path, help="folder of the images, where they do not lie beside the annotation file")
    tools = "(COCO, CVAT, Label Studio)"
    parser.add_argument("--stuff", type=lambda text: text.split(","), help=f"classes that are not counted, comma-separated {tools}")
    parser.add_argument("--unlabelled", choices=("background", "void"), help=f"what pixels without annotation are {tools}")


def reader_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What of these goes to the reader."""
    return {name: value for name in ("stuff", "unlabelled") if (value := getattr(arguments, name)) is not None}


@dataclass(frozen=True)
class Survey:
    """What a data set's images are like: heights, widths [I] in pixels; of each thing the square root of its area and its
    larger extent [O], and the long side of its image [O]; things an image [I]; pixels of each class [C]; mean brightness [I]."""

    heights: np.ndarray
    widths: np.ndarray
    sizes: np.ndarray
    extents: np.ndarray
    around: np.ndarray
    counts: np.ndarray
    pixels: np.ndarray
    brightness: np.ndarray

    @property
    def long_sides(self) -> np.ndarray:
        return np.maximum(self.heights, self.widths)


def survey(samples: Samples, *others: Samples) -> Survey:
    """Looks at every image once. Raises DataError that names what cannot be read, of `others` too, before anything is trained."""
    if not len(samples):
        raise DataError("there is no image for training; annotate some more (a fifth, but at least one, is kept for val)")
    faults: list[DataError] = []
    things = np.array([one["isthing"] for one in samples.categories])
    pixels = np.zeros(len(samples.categories), np.int64)
    rows, sizes, extents, around = [], [], [], []
    for sample in _readable(samples, faults):
        np.add.at(pixels, sample.categories, sample.areas)
        own = things[sample.categories] & ~sample.crowd if len(sample.categories) else np.zeros(0, bool)
        height, width = sample.segments.shape
        rows.append((height, width, int(own.sum()), float(sample.image.mean())))
        sizes += np.sqrt(sample.areas[own]).tolist()
        extents += _extents(sample)[own].tolist()
        around += [max(height, width)] * int(own.sum())
    for other in others:
        for _ in _readable(other, faults):
            pass
    if faults:
        shown = [str(fault) for fault in faults[:SHOWN]]
        rest = [f"... and {len(faults) - SHOWN} more such"] if len(faults) > SHOWN else []
        raise DataError("\n  ".join(shown + rest)) from faults[0]
    heights, widths, counts, brightness = (np.array(column) for column in zip(*rows))
    return Survey(heights, widths, np.array(sizes), np.array(extents), np.array(around), counts, pixels, brightness)


def _readable(samples: Samples, faults: list[DataError]) -> Iterator[LabelledImage]:
    for index in range(len(samples)):
        try:
            yield samples[index]
        except DataError as fault:
            faults.append(fault)


def _extents(sample: LabelledImage) -> np.ndarray:
    """The larger side of each segment's box."""
    from scipy import ndimage

    boxes = ndimage.find_objects(sample.segments + 1, len(sample.categories))
    return np.array([max(box[0].stop - box[0].start, box[1].stop - box[1].start) for box in boxes if box is not None])


def pixels_of(samples: Samples) -> np.ndarray:
    """Pixels of each class, int64 [C]."""
    pixels = np.zeros(len(samples.categories), np.int64)
    for sample in samples:
        np.add.at(pixels, sample.categories, sample.areas)
    return pixels


def without_empty(samples: Samples, pixels: np.ndarray) -> Samples:
    """The samples without the classes that have no pixel. What is read is kept in memory where `samples` does so."""
    kept = np.flatnonzero(pixels > 0)
    position = np.full(len(pixels), -1, np.int64)
    position[kept] = np.arange(len(kept))

    def load(index: int) -> LabelledImage:
        one = samples[index]
        return LabelledImage(one.name, one.image, one.segments, position[one.categories], one.crowd)

    return Samples([samples.categories[index] for index in kept], samples.names, load)


def check(train: Samples, val: Samples, seen: Survey, task: str) -> None:
    """Raises DataError where the data set cannot teach the task."""
    total = len(train) + len(val)
    if total < FEWEST or not len(val):
        raise DataError(
            f"too few annotated images: {total} ({len(train)} for training, {len(val)} for val); at least {FEWEST} are needed, and some "
            "dozens for a model that is of use: annotate more"
        )
    empty = [one["name"] for one, pixels in zip(train.categories, seen.pixels) if pixels == 0]
    if empty:
        raise DataError(
            f"no pixel of the {len(train)} training images is of the class {', '.join(empty)}; annotate some, take the class out "
            "of the data set, or leave such classes out with --drop-empty"
        )
    things = [one["name"] for one in train.categories if one["isthing"]]
    if task != "semantic" and not things:
        raise DataError(f"--task {task} needs a class of things, which can be counted, but all are stuff; try --task semantic")
    if task != "semantic" and len(things) == len(train.categories):
        raise DataError(
            f"--task {task} needs a class for what is around the things, such as background: leave pixels without "
            "annotation (they become background, without --unlabelled void), or try --task semantic"
        )
    if task != "semantic" and not len(seen.sizes):
        raise DataError(
            f"--task {task} needs objects that are told apart, but the masks say only which class a pixel has; give masks of instances, "
            "panoptic masks or a mask an object, or try --task semantic"
        )
    if len(train.categories) < 2:
        raise DataError(f"there is only one class, {train.categories[0]['name']}; at least two are needed")


def in_parts(samples: Samples, side: int) -> Samples:
    """The samples with images of more than side x side pixels cut into parts of no more: what fits into memory at once."""
    places: list[tuple[int, slice, slice]] = []
    for index, sample in enumerate(samples):
        height, width = sample.segments.shape
        rows, columns = ([slice(0, height)], [slice(0, width)])
        if height * width > side * side:
            rows, columns = ([slice(at, at + side) for at in range(0, length, side)] for length in (height, width))
        places += [(index, row, column) for row in rows for column in columns]
    last: dict[int, LabelledImage] = {}

    def load(place: int) -> LabelledImage:
        index, *part = places[place]
        if index not in last:  # parts follow one another, so that an image is read once for all of them
            last.clear()
            last[index] = samples[index]
        whole = last[index]
        image = np.ascontiguousarray(whole.image[tuple(part)])
        return labelled_image(whole.name, image, whole.segments[tuple(part)], whole.categories, whole.crowd)

    return Samples(samples.categories, [samples.names[index] for index, *_ in places], load)


def scale_of(text: str) -> str | int:
    """Reads --scale: "native", or a long side in pixels."""
    if text == "native":
        return text
    if not text.isdecimal() or int(text) < 64:
        raise argparse.ArgumentTypeError(f"expected native or a long side of 64 pixels or more but received {text}")
    return int(text)


def fitted_scale(seen: Survey, task: str) -> dict[str, Any]:
    """model.json's input.scale where nobody says another: a common long side, or the pixels as they are.

    As they are where objects are small in large images, or where images differ in size but objects do not (a microscope's
    magnification); else images are scaled to one long side.
    """
    typical = float(np.median(seen.long_sides))
    side = int(min(LONGEST, max(64, round(typical / 32) * 32)))
    if task == "semantic" or not len(seen.sizes):
        return {"mode": "fit", "long_side": side}
    at_fit = np.percentile(seen.sizes, 25) * side / typical
    if typical > LONGEST and at_fit < 12:
        return {"mode": "native"}
    in_pixels, in_parts = np.std(np.log(seen.sizes)), np.std(np.log(seen.sizes / seen.around))
    if np.ptp(seen.long_sides) > 0.1 * typical and in_pixels < 0.9 * in_parts:
        return {"mode": "native"}
    return {"mode": "fit", "long_side": side}


def own_recipe(
    train: Samples,
    seen: Survey,
    task: str,
    *,
    any_direction: bool | None = None,
    from_scratch: bool = False,
    scale: str | int | None = None,
) -> tuple[Recipe, dict[str, Any], dict[str, int] | None]:
    """The recipe, model.json's input.scale and input.mask_tile. `any_direction`: pictures have no up and down; default: such as
    `fitted_scale` has in their own pixels. `scale`: "native" or a long side, instead of what that says."""
    fitted = fitted_scale(seen, task)
    turned = fitted["mode"] == "native"
    policy = fitted if scale is None else {"mode": "native"} if scale == "native" else {"mode": "fit", "long_side": int(scale)}
    native = policy["mode"] == "native"
    factor = 1.0 if native else policy["long_side"] / float(np.median(seen.long_sides))
    sizes, extents = seen.sizes * factor, seen.extents * factor
    typical = float(np.median(sizes)) if len(sizes) and task != "semantic" else 0.0
    crop = tuple(_crop_side(float(np.median(sides)) * factor) for sides in (seen.heights, seen.widths))
    area = crop[0] * crop[1]
    objects = np.percentile(seen.counts * np.minimum(1.0, area / (seen.heights * seen.widths * factor**2)), 95)
    recipe = Recipe(
        config=_config(train.categories, task, typical),
        folder="",
        read=read_any,
        augment=_augment(crop, turned if any_direction is None else any_direction),
        batch=int(np.clip(round(4 * 256 * 256 / area), 4, 12)),
        points=int(min(12544, max(1024, area // 5))),
        most_seeds=int(np.clip(np.ceil(2.5 * objects), 16, 256)),
        normalise=bool(np.std(seen.brightness) > 45),
        encoder_rate=1.0 if from_scratch else 0.2,
        frozen_stride=0 if from_scratch else 4 if len(train) < 200 else 2,
        long_side=None if native else policy["long_side"],
        balance=0.4,
        evaluate_images=60,
    )
    tile = None
    if native:
        largest = np.percentile(extents, 95) if len(extents) and task != "semantic" else 0.0
        overlap = int(np.clip(np.ceil(1.5 * largest / 32) * 32, 64, 192))
        tile = {"side": LONGEST, "overlap": overlap, "align": recipe.config.deepest_stride}
    return recipe, policy, tile


def _crop_side(side: float) -> int:
    return int(np.clip(round(side / 32) * 32, 64, 256))


def _config(categories: list[Category], task: str, typical: float) -> UniversalConfig:
    """Finer levels and a smaller unit of position for smaller objects; `typical` is their size in pixels, 0 for classes."""
    things = tuple(bool(one["isthing"]) and task != "semantic" for one in categories)
    tasks = {"semantic": ("semantic",), "instance": ("instance", "panoptic"), "panoptic": ("panoptic", "instance", "semantic")}[task]
    if task == "semantic":
        return UniversalConfig(things=things, tasks=tasks, widths={32: 160, 16: 128, 8: 96, 4: 64, 2: 40}, levels=(8, 4, 2))
    if typical < 28:
        widths = {32: 96, 16: 96, 8: 80, 4: 64, 2: 48}
        return UniversalConfig(things=things, tasks=tasks, widths=widths, levels=(8, 4, 2), seed_stride=2, position_unit=16.0)
    widths = {32: 160, 16: 128, 8: 96, 4: 64}
    small = typical < 80
    return UniversalConfig(
        things=things, tasks=tasks, widths=widths, levels=(16, 8, 4), seed_stride=4 if small else 8,
        position_unit=32.0 if small else 64.0, centre_channels=128,
    )  # fmt: skip


def _augment(crop: tuple[int, int], any_direction: bool) -> AugmentConfig:
    if any_direction:
        return AugmentConfig(crop=crop, scale=(0.6, 1.6), stretch=1.25, flip_vertical=True, turn=True)
    return AugmentConfig(crop=crop, scale=(0.6, 1.6), stretch=1.15)


def smallest_area(seen: Survey, scale: dict[str, Any]) -> int:
    """min_area: a quarter of what nearly all things have, in pixels of the graph."""
    if not len(seen.sizes):
        return 16
    factor = 1.0 if scale["mode"] == "native" else scale["long_side"] / np.median(seen.long_sides)
    return int(np.clip((np.percentile(seen.sizes, 5) * factor) ** 2 / 4, 4, 64))


def images_of(train: Samples, val: Samples) -> dict[str, Any]:
    """What own.json says of the images that a run was begun with."""
    names = json.dumps([train.names, val.names])
    return {"train": len(train), "val": len(val), "names": hashlib.sha256(names.encode()).hexdigest()}


def write_own(run: Path, recipe: Recipe, text: BundleText, about: dict[str, Any]) -> None:
    """own.json: `about` says where the data is, how it is read, and which images it has (`images_of`)."""
    fields = asdict(recipe)
    del fields["read"], fields["frequency"]
    values = {"recipe": fields, "bundle": asdict(text), **about}
    run.mkdir(parents=True, exist_ok=True)
    (run / OWN_FILE).write_text(json.dumps(values, indent=1) + "\n")


def read_own(run: Path, data: Path | None = None) -> tuple[Recipe, BundleText]:
    """What write_own wrote. `read` opens the data set again, whatever root it is given. With `data`, raises DataError where the
    run is of other data."""
    values = json.loads((run / OWN_FILE).read_text())
    if data is not None and str(data) != values["data"]:
        raise DataError(f"{run} was begun with {values['data']}; give another --run, or delete it")
    fields = dict(values["recipe"])
    augment = {name: tuple(value) if isinstance(value, list) else value for name, value in fields["augment"].items()}
    fields |= {
        "config": UniversalConfig.from_dict(fields["config"]),
        "augment": AugmentConfig(**augment),
        "weights": MaskLossWeights(**fields["weights"]),
        "counted": tuple(fields["counted"]),
    }

    def read(root: Path, split: str, **options: Any) -> Samples:
        samples = read_any(values["data"], split, values["images"], **values["options"], **options)
        names = [one["name"] for one in values["bundle"]["categories"]]
        if [one["name"] for one in samples.categories] == names:
            return samples
        return without_empty(samples, np.array([one["name"] in names for one in samples.categories], np.int64))

    text = dict(values["bundle"])
    text["limits"] = tuple(text["limits"])
    return Recipe(**fields, read=read), BundleText(**text)
