"""Recipes as JSON files (training/configs): what the paper trains, for `python -m clustseg.train --config FILE`.

A file has these parts, whose keys are the fields of the dataclasses named; a key that is none of them is an error.

    name, task       task: panoptic, instance, semantic or superpixel
    data             reader (READERS), folder under --data, classes: {things, stuff} that the data set has
    network          UniversalConfig (superpixel: SuperpixelConfig)
    augment          FittedAugment (superpixel: crop and scale)
    training         TrainingPlan, and rate, batch (over all processes), encoder_rate, frozen_stride, points, balance
    loss             PaperLossWeights (semantic: MaskLossWeights, superpixel: LossWeights)
    test             short_side and long_side that images are scaled to, images measured while training, threshold
    published        what the paper reports: metric, split, value
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from clustseg.data.fitted_crop import FittedAugment
from clustseg.data.readers.ade20k import read_ade20k
from clustseg.data.readers.coco import read_coco
from clustseg.data.samples import Category, Samples
from clustseg.losses.masks import MaskLossWeights
from clustseg.losses.paper import PaperLossWeights
from clustseg.losses.superpixels import LossWeights
from clustseg.model.network import SuperpixelConfig
from clustseg.model.universal import UniversalConfig
from clustseg.training.plan import TrainingPlan
from clustseg.training.recipes import Recipe

READERS: dict[str, Callable[..., Samples]] = {
    "coco-panoptic": partial(read_coco, kind="panoptic"),
    "coco-instances": partial(read_coco, kind="instances"),
    "ade20k": read_ade20k,
}
_TASKS = {"panoptic": ("panoptic",), "instance": ("instance",), "semantic": ("semantic",)}
_PARTS = ("name", "task", "data", "network", "augment", "training", "loss", "test", "published")


class RecipeError(ValueError):
    """A recipe's file that cannot be used as it is. The message says where, what is wrong and what may stand there."""


@dataclass(frozen=True)
class MeasuringPlan:
    """How val is measured: images so scaled that the short side is `short_side`, or less if the long one would exceed
    `long_side`; 0: as they are. Segments that score below `threshold` do not count."""

    short_side: int = 0
    long_side: int = 0
    images: int = 500
    threshold: float = 0.5


@dataclass(frozen=True)
class Published:
    """The paper's figure; `value` is None where it shows curves only."""

    metric: str
    split: str
    value: float | None = None


@dataclass(frozen=True)
class FileRecipe(Recipe):
    """A mask network's recipe from a file. `classes`: (things, stuff) of the data set. `paper_weights`: of the losses of seeds
    that are matched to objects by their masks (start "pool" or "free")."""

    plan: TrainingPlan = field(default_factory=TrainingPlan)
    paper_weights: PaperLossWeights = field(default_factory=PaperLossWeights)
    name: str = ""
    classes: tuple[int, int] = (0, 0)
    test: MeasuringPlan = field(default_factory=MeasuringPlan)
    published: Published | None = None

    def for_classes(self, categories: list[Category]) -> "FileRecipe":
        """With the classes in the data set's order. Raises RecipeError where there are not as many as the file says."""
        things = tuple(one["isthing"] for one in categories)
        found = sum(things), len(things) - sum(things)
        if found != self.classes:
            raise RecipeError(
                f"{self.name}: the data has {found[0]} classes of things and {found[1]} of stuff, the recipe {self.classes[0]} and "
                f'{self.classes[1]}; give the data that it is for, or write "classes": {{"things": {found[0]}, "stuff": {found[1]}}}'
            )
        return replace(self, config=replace(self.config, things=things))


@dataclass(frozen=True)
class SuperpixelRecipe:
    """A superpixel network's recipe from a file. `crop` is the side of a crop, about, as cells must be whole; `scale` that of
    images, at least so large that a crop fits in."""

    name: str
    config: SuperpixelConfig
    batch: int
    rate: float
    crop: int = 256
    scale: tuple[float, float] = (0.7, 1.7)
    encoder_rate: float = 0.15
    plan: TrainingPlan = field(default_factory=TrainingPlan)
    weights: LossWeights = field(default_factory=LossWeights)
    test: MeasuringPlan = field(default_factory=MeasuringPlan)
    published: Published | None = None


def load_recipe(path: Path | str) -> FileRecipe | SuperpixelRecipe:
    """The recipe of a file. Raises RecipeError."""
    path = Path(path)
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise RecipeError(f"{path}: is no JSON ({error})") from error
    try:
        return recipe_from(whole)
    except (RecipeError, ValueError) as error:
        raise RecipeError(f"{path}: {error}") from error


def recipe_from(whole: Any) -> FileRecipe | SuperpixelRecipe:
    """The recipe that a file's content describes."""
    parts = _object(whole, "the file", _PARTS, ("name", "task", "data", "network", "training"))
    task, training = parts["task"], dict(_object(parts["training"], "training"))
    missing = [key for key in ("rate", "batch") if key not in training]
    if missing:
        raise RecipeError(f"training has no {missing[0]!r}")
    common = {
        "name": _fit(parts["name"], str, "name"),
        "test": filled(MeasuringPlan, parts.get("test", {}), "test"),
        "published": filled(Published, parts["published"], "published") if "published" in parts else None,
    }
    if task == "superpixel":
        _object(parts["data"], "data", ("reader",), ("reader",))
        if parts["data"]["reader"] != "bsds500":
            raise RecipeError(f"data.reader: superpixels are learnt from 'bsds500', not {parts['data']['reader']!r}")
        augment = _object(parts.get("augment", {}), "augment", ("crop", "scale"))
        own = ("batch", "rate", "encoder_rate")
        values = {key: training.pop(key) for key in own if key in training} | augment
        return filled(
            SuperpixelRecipe, values, "training", config=filled(SuperpixelConfig, parts["network"], "network"),
            plan=filled(TrainingPlan, training, "training", others=own), weights=filled(LossWeights, parts.get("loss", {}), "loss"), **common,
        )  # fmt: skip
    if task not in _TASKS:
        raise RecipeError(f"task: there is no {task!r}; there are {', '.join([*_TASKS, 'superpixel'])}")
    data = _object(parts["data"], "data", ("reader", "folder", "classes"), ("reader", "folder", "classes"))
    if data["reader"] not in READERS:
        raise RecipeError(f"data.reader: there is no {data['reader']!r}; there are {', '.join(READERS)}")
    counts = _object(data["classes"], "data.classes", ("things", "stuff"), ("things", "stuff"))
    classes = tuple(_fit(counts[key], int, f"data.classes.{key}") for key in ("things", "stuff"))
    things = (True,) * classes[0] + (False,) * classes[1]
    loss = parts.get("loss", {})
    weights = {"weights": filled(MaskLossWeights, loss, "loss")} if task == "semantic" else {
        "paper_weights": filled(PaperLossWeights, loss, "loss")
    }  # fmt: skip
    own = ("batch", "rate", "encoder_rate", "frozen_stride", "points", "balance")
    values = {key: training.pop(key) for key in own if key in training}
    return filled(
        FileRecipe, {"balance": 0.0, "encoder_rate": 1.0} | values, "training",
        config=filled(UniversalConfig, parts["network"], "network", things=things, tasks=_TASKS[task]),
        folder=_fit(data["folder"], str, "data.folder"), read=READERS[data["reader"]], classes=classes,
        augment=filled(FittedAugment, parts.get("augment", {}), "augment"),
        plan=filled(TrainingPlan, training, "training", others=own), evaluate_images=common["test"].images, **weights, **common,
    )  # fmt: skip


def filled(kind: type, values: Any, where: str, others: tuple[str, ...] = (), **given: Any) -> Any:
    """A dataclass from a JSON object, with what is `given` beside it. Raises RecipeError for a key that is no field, a value of
    another type and a field without a value. `others`: keys that may stand there too, for the message."""
    values = _object(values, where)
    hints = typing.get_type_hints(kind)
    names = [one.name for one in fields(kind) if one.name not in given]
    for key in values:
        if key not in names:
            raise RecipeError(f"{where}: there is no {key!r}; there are {', '.join(sorted({*names, *others}))}")
    for one in fields(kind):
        if one.name in names and one.name not in values and one.default is MISSING and one.default_factory is MISSING:
            raise RecipeError(f"{where} has no {one.name!r}")
    return kind(**{key: _fit(value, hints[key], f"{where}.{key}") for key, value in values.items()}, **given)


def _object(value: Any, where: str, allowed: tuple[str, ...] | None = None, needed: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RecipeError(f"{where}: expected an object but found {json.dumps(value)[:60]}")
    unknown = [key for key in value if allowed is not None and key not in allowed]
    if unknown:
        raise RecipeError(f"{where}: there is no {unknown[0]!r}; there are {', '.join(allowed)}")
    missing = [key for key in needed if key not in value]
    if missing:
        raise RecipeError(f"{where} has no {missing[0]!r}")
    return value


def _fit(value: Any, hint: Any, where: str) -> Any:
    """A JSON value as the type that a field has."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _fit(value, next(one for one in inner if one is not type(None)), where)
    if origin is tuple and isinstance(value, list):
        kinds = inner[:1] * len(value) if inner[1:] == (...,) else inner
        if len(kinds) == len(value):
            return tuple(_fit(one, kind, where) for one, kind in zip(value, kinds))
    elif origin is dict and isinstance(value, dict):
        try:
            return {inner[0](key): _fit(one, inner[1], f"{where}.{key}") for key, one in value.items()}
        except ValueError:
            pass
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif hint in (int, str, bool) and type(value) is hint:
        return value
    name = getattr(hint, "__name__", str(hint)) if origin is None else str(hint)
    raise RecipeError(f"{where}: expected {name} but found {json.dumps(value)[:60]}")


def dry(recipe: Recipe | SuperpixelRecipe, crops: int, side: int = 64) -> Any:
    """The recipe for two steps of `crops` tiny crops: whether everything fits together, nothing else."""
    if isinstance(recipe, SuperpixelRecipe):
        plan = replace(recipe.plan, workers=0)
        return replace(recipe, batch=crops, crop=side, plan=plan, test=replace(recipe.test, images=1))
    smaller = replace(recipe, batch=crops, points=256, augment=replace(recipe.augment, crop=(side, side)), evaluate_images=1)
    if isinstance(recipe, FileRecipe):
        test = replace(recipe.test, short_side=side, long_side=2 * side, images=1)
        return replace(smaller, plan=replace(recipe.plan, workers=0), test=test)
    return smaller
