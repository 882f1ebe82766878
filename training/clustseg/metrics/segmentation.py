"""Scores of semantic, instance and panoptic segmentation, image by image.

Every score is an accumulator: `add(segments, categories, truth)` for each image, `result()` at the end. A prediction is
a segment map, int [H, W] with -1 = no segment, and the class of each segment, int [P], as position in the list of
categories that the truth uses too. Results are plain numbers, lists and dicts, so they can be written as JSON; None
stands where nothing was there to measure.

Void pixels of the truth count neither for nor against, and crowds are neither to be found nor false: the rules are
panopticapi's, for all scores.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from clustseg.data.samples import Category, LabelledImage

BOWL_THRESHOLDS = tuple(range(50, 100, 5))
"""IoU thresholds of the 2018 Data Science Bowl in hundredths: .50, .55, ..., .95."""


def joint_areas(segments: np.ndarray, count: int, truth: LabelledImage) -> np.ndarray:
    """Pixels that each predicted segment shares with each true one, int64 [P + 1, S + 1]: row 0 is "no segment",
    column 0 is void, segment i is row or column i + 1."""
    segments = np.asarray(segments)
    if segments.shape != truth.segments.shape:
        raise ValueError(
            f"{truth.name}: expected a segment map {list(truth.segments.shape)} but received {list(segments.shape)}"
        )
    if not np.issubdtype(segments.dtype, np.integer):
        raise ValueError(f"{truth.name}: expected integers as predicted segments but received {segments.dtype}")
    lowest, highest = int(segments.min()), int(segments.max())
    if lowest < -1 or highest >= count:
        raise ValueError(f"{truth.name}: predicted segments are {lowest}..{highest} but have {count} classes")
    columns = len(truth.categories) + 1
    pairs = (segments.astype(np.int64) + 1) * columns + (truth.segments + 1)
    return np.bincount(pairs.reshape(-1), minlength=(count + 1) * columns).reshape(count + 1, columns)


@dataclass(frozen=True)
class Overlaps:
    """How the P predicted and S true segments of an image lie over each other.

    shared: int64 [P, S] pixels in common; area: int64 [P] pixels of a prediction, void included; truth_area: int64 [S];
    union: int64 [P, S], the pixels of either without void; same: bool [P, S], of one class, and the truth no crowd;
    excused: bool [P], more than half of the prediction lies in void and in crowds of its class, so it is no false one.
    """

    shared: np.ndarray
    area: np.ndarray
    truth_area: np.ndarray
    union: np.ndarray
    same: np.ndarray
    excused: np.ndarray


def overlaps(segments: np.ndarray, categories: Sequence[int] | np.ndarray, truth: LabelledImage) -> Overlaps:
    """The Overlaps of an image. Cost: one pass over the pixels, then P x S."""
    categories = np.asarray(categories, dtype=np.int64).reshape(-1)
    joint = joint_areas(segments, len(categories), truth)
    shared, void = joint[1:, 1:], joint[1:, 0]
    area, truth_area = joint[1:].sum(axis=1), joint[:, 1:].sum(axis=0)
    of_class = categories[:, None] == truth.categories
    in_crowd = (shared * (of_class & truth.crowd)).sum(axis=1)
    return Overlaps(
        shared=shared,
        area=area,
        truth_area=truth_area,
        union=(area - void)[:, None] + truth_area - shared,
        same=of_class & ~truth.crowd,
        excused=2 * (void + in_crowd) > area,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None


def _positions(categories: Sequence[Category], names: Collection[str] | None) -> list[int]:
    """Where the named classes stand, in order; all of them without names."""
    if names is None:
        return list(range(len(categories)))
    unknown = set(names) - {one["name"] for one in categories}
    if unknown:
        raise ValueError(f"There is no class {', '.join(sorted(unknown))}")
    return [index for index, one in enumerate(categories) if one["name"] in names]


class SemanticScore:
    """Mean IoU of classes over all pixels of all images (Everingham et al. 2010), from one confusion matrix.

    A pixel without a predicted class is a miss of its true class. Crowds count as pixels of their class.
    """

    def __init__(self, categories: Sequence[Category]) -> None:
        self.categories = list(categories)
        # [true class, predicted class + 1]; column 0 = no class predicted.
        self.confusion = np.zeros((len(categories), len(categories) + 1), np.int64)
        self.images = 0

    def add(self, segments: np.ndarray, categories: Sequence[int] | np.ndarray, truth: LabelledImage) -> None:
        categories = np.asarray(categories, dtype=np.int64).reshape(-1)
        _expect_classes(categories, len(self.categories), truth.name)
        joint = joint_areas(segments, len(categories), truth)[:, 1:]
        np.add.at(self.confusion, (truth.categories[None], np.append(-1, categories)[:, None] + 1), joint)
        self.images += 1

    def result(self, names: Collection[str] | None = None) -> dict:
        """{images, miou, pixel_accuracy, mean_accuracy, iou: {class}, accuracy: {class}}.

        Classes that are neither in the truth nor predicted have IoU None and are left out of the mean, those that are
        not in the truth have accuracy None. With `names`, `miou` and `mean_accuracy` are over these classes only;
        pixels of the others still count against them.
        """
        hits = np.diagonal(self.confusion[:, 1:])
        true, predicted = self.confusion.sum(axis=1), self.confusion[:, 1:].sum(axis=0)
        union = true + predicted - hits
        iou: dict[str, float | None] = {}
        accuracy: dict[str, float | None] = {}
        for index in _positions(self.categories, names):
            name = self.categories[index]["name"]
            iou[name] = float(hits[index] / union[index]) if union[index] else None
            accuracy[name] = float(hits[index] / true[index]) if true[index] else None
        return {
            "images": self.images,
            "miou": _mean(list(iou.values())),
            "pixel_accuracy": float(hits.sum() / true.sum()) if true.sum() else None,
            "mean_accuracy": _mean(list(accuracy.values())),
            "iou": iou,
            "accuracy": accuracy,
        }


class BowlScore:
    """Instance score of the 2018 Data Science Bowl: for each image and IoU threshold t of .50, .55, ..., .95,
    TP / (TP + FP + FN) where an object is hit if its IoU is *greater* than t; the mean over images (and thresholds).

    Only things are objects. Without `categories` that is every class but the one at position 0, the background. An
    image with no object, true or predicted, scores 1.
    """

    def __init__(self, categories: Sequence[Category] | None = None) -> None:
        self._isthing = None if categories is None else np.array([one["isthing"] for one in categories], bool)
        self._scores: list[tuple[str, list[float]]] = []

    def _things(self, classes: np.ndarray) -> np.ndarray:
        return classes > 0 if self._isthing is None else self._isthing[classes]

    def add(self, segments: np.ndarray, categories: Sequence[int] | np.ndarray, truth: LabelledImage) -> None:
        categories = np.asarray(categories, dtype=np.int64).reshape(-1)
        if self._isthing is not None:
            _expect_classes(categories, len(self._isthing), truth.name)
        pairs = overlaps(segments, categories, truth)
        found = self._things(categories) & (pairs.area > 0)
        objects = self._things(truth.categories) & ~truth.crowd & (pairs.truth_area > 0)
        same = pairs.same & objects
        scores = []
        for threshold in BOWL_THRESHOLDS:
            # In integers, because .55 and its like are no binary fractions. Above one half, segments that do not
            # overlap each other have at most one partner each way, so hits need no assignment.
            hit = same & (100 * pairs.shared > threshold * pairs.union)
            hits = int(hit.sum())
            false = int((found & ~hit.any(axis=1) & ~pairs.excused).sum())
            total = int(objects.sum()) + false  # TP + FN are the true objects
            scores.append(hits / total if total else 1.0)
        self._scores.append((truth.name, scores))

    def result(self, names: Collection[str] | None = None) -> dict:
        """{images, ap50, ap75, map, by_threshold: {"0.50": ...}, per_image: {name: mean over thresholds}}; with `names`
        only over the images so called."""
        chosen = [(name, scores) for name, scores in self._scores if names is None or name in names]
        if not chosen:
            return {"images": 0, "ap50": None, "ap75": None, "map": None, "by_threshold": {}, "per_image": {}}
        table = np.array([scores for _, scores in chosen])
        names_of_thresholds = (f"{threshold / 100:.2f}" for threshold in BOWL_THRESHOLDS)
        by_threshold = dict(zip(names_of_thresholds, table.mean(axis=0).tolist()))
        return {
            "images": len(chosen),
            "ap50": by_threshold["0.50"],
            "ap75": by_threshold["0.75"],
            "map": float(table.mean()),
            "by_threshold": by_threshold,
            "per_image": {name: float(np.mean(scores)) for name, scores in chosen},
        }


class PanopticScore:
    """Panoptic quality (Kirillov et al. 2019) as panopticapi counts it: per class over all images,
    PQ = sum of the IoUs of hits / (TP + FP / 2 + FN / 2) = SQ x RQ; a hit is a pair of one class with IoU > .5.

    One difference: where a class has several crowds in an image, all excuse predictions (panopticapi: the last one).
    """

    def __init__(self, categories: Sequence[Category]) -> None:
        self.categories = list(categories)
        self.iou = np.zeros(len(categories))
        self.counts = np.zeros((3, len(categories)), np.int64)  # TP, FP, FN
        self.images = 0

    def add(self, segments: np.ndarray, categories: Sequence[int] | np.ndarray, truth: LabelledImage) -> None:
        categories = np.asarray(categories, dtype=np.int64).reshape(-1)
        _expect_classes(categories, len(self.categories), truth.name)
        pairs = overlaps(segments, categories, truth)
        hit = pairs.same & (2 * pairs.shared > pairs.union)
        rows, columns = np.nonzero(hit)
        np.add.at(self.iou, categories[rows], pairs.shared[rows, columns] / pairs.union[rows, columns])
        false = ~hit.any(axis=1) & ~pairs.excused & (pairs.area > 0)
        missed = ~hit.any(axis=0) & ~truth.crowd & (pairs.truth_area > 0)
        for count, classes in zip(self.counts, (categories[rows], categories[false], truth.categories[missed])):
            np.add.at(count, classes, 1)
        self.images += 1

    def result(self, names: Collection[str] | None = None) -> dict:
        """{images, pq, sq, rq, n, things: {pq, sq, rq, n}, stuff: {...}, classes: {name: {pq, sq, rq, tp, fp, fn}}}.

        Means are over the n classes that the truth or the predictions have; with `names`, over those among them.
        """
        classes: dict[str, dict] = {}
        groups: dict[str, list[dict]] = {"all": [], "things": [], "stuff": []}
        for index in _positions(self.categories, names):
            tp, fp, fn = (int(count[index]) for count in self.counts)
            if tp + fp + fn:
                weight = tp + 0.5 * fp + 0.5 * fn
                iou = float(self.iou[index])
                one = {"pq": iou / weight, "sq": iou / tp if tp else 0.0, "rq": tp / weight}
                groups["all"].append(one)
                groups["things" if self.categories[index]["isthing"] else "stuff"].append(one)
            else:
                one = {"pq": None, "sq": None, "rq": None}
            classes[self.categories[index]["name"]] = {**one, "tp": tp, "fp": fp, "fn": fn}

        def means(group: list[dict]) -> dict:
            return {**{key: _mean([one[key] for one in group]) for key in ("pq", "sq", "rq")}, "n": len(group)}

        return {
            "images": self.images,
            **means(groups["all"]),
            "things": means(groups["things"]),
            "stuff": means(groups["stuff"]),
            "classes": classes,
        }


def _expect_classes(categories: np.ndarray, count: int, name: str) -> None:
    if len(categories) and (categories.min() < 0 or categories.max() >= count):
        raise ValueError(f"{name}: predicted classes are {categories.min()}..{categories.max()}, but there are {count}")
