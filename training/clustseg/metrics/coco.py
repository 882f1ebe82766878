"""COCO's average precision of instance masks, by pycocotools, on segment maps."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Sequence

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from clustseg.data.samples import VOID, Category, LabelledImage


class CocoScore:
    """AP over IoU .50:.05:.95 and recall 0:.01:1, per class, then the mean (Lin et al. 2014), of thing classes.

    `add` takes a score 0..1 for each predicted segment besides what the other scores take. COCO knows no void: void
    pixels are taken out of the predictions before. `max_detections` a class and image are counted, COCO's 100 unless
    images hold more objects.
    """

    def __init__(self, categories: Sequence[Category], max_detections: int = 100) -> None:
        self.categories = list(categories)
        self.max_detections = max_detections
        self._things = [index for index, one in enumerate(categories) if one["isthing"]]
        self._images: list[dict] = []
        self._truths: list[dict] = []
        self._predictions: list[dict] = []

    def add(
        self,
        segments: np.ndarray,
        categories: Sequence[int] | np.ndarray,
        scores: Sequence[float] | np.ndarray,
        truth: LabelledImage,
    ) -> None:
        if np.shape(segments) != truth.segments.shape:
            raise ValueError(f"{truth.name}: expected predicted segments of shape {list(truth.segments.shape)}")
        if len(categories) != len(scores):
            raise ValueError(f"{truth.name}: {len(categories)} predicted classes but {len(scores)} scores")
        image = len(self._images) + 1
        height, width = truth.segments.shape
        self._images.append({"id": image, "width": width, "height": height})
        for index, category in enumerate(truth.categories):
            if category in self._things:
                common = self._annotation(truth.segments == index, image, category)
                self._truths.append({**common, "id": len(self._truths) + 1, "iscrowd": int(truth.crowd[index])})
        clear = np.where(truth.segments == VOID, -1, segments)
        present = np.bincount((clear + 1).reshape(-1), minlength=len(categories) + 1)[1:] > 0
        for index, (category, score) in enumerate(zip(categories, scores)):
            if present[index] and category in self._things:
                self._predictions.append({**self._annotation(clear == index, image, category), "score": float(score)})

    @staticmethod
    def _annotation(mask: np.ndarray, image: int, category: int) -> dict:
        code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        return {
            "image_id": image,
            "category_id": int(category) + 1,
            "segmentation": code,
            "area": int(coco_mask.area(code)),
            "bbox": [float(value) for value in coco_mask.toBbox(code)],
        }

    def result(self, names: Collection[str] | None = None) -> dict:
        """{images, ap, ap50, ap75, ap_small, ap_medium, ap_large, recall, classes: {name: ap}}; None where the truth
        has no object. Small is below 32^2 pixels, large from 96^2. With `names`, of these classes."""
        unknown = set(names or ()) - {one["name"] for one in self.categories}
        if unknown:
            raise ValueError(f"There is no class {', '.join(sorted(unknown))}")
        wanted = [index for index in self._things if names is None or self.categories[index]["name"] in names]
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports its progress
            truth, predictions = COCO(), COCO()
            categories = [{"id": index + 1, "name": self.categories[index]["name"]} for index in self._things]
            for data, annotations in ((truth, self._truths), (predictions, self._predictions)):
                numbered = [{"iscrowd": 0, **one, "id": number + 1} for number, one in enumerate(annotations)]
                data.dataset = {"images": self._images, "categories": categories, "annotations": numbered}
                data.createIndex()
            evaluation = COCOeval(truth, predictions, "segm")
            evaluation.params.catIds = [index + 1 for index in wanted]
            evaluation.params.maxDets = [1, 10, self.max_detections]
            evaluation.evaluate()
            evaluation.accumulate()
        # precision [thresholds, recalls, classes, areas, max detections], recall without the second; -1 = no object.
        precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
        return {
            "images": len(self._images),
            "ap": _mean(precision[..., 0, -1]),
            "ap50": _mean(precision[0, ..., 0, -1]),
            "ap75": _mean(precision[5, ..., 0, -1]),
            "ap_small": _mean(precision[..., 1, -1]),
            "ap_medium": _mean(precision[..., 2, -1]),
            "ap_large": _mean(precision[..., 3, -1]),
            "recall": _mean(recall[..., 0, -1]),
            "classes": {
                self.categories[index]["name"]: _mean(precision[:, :, place, 0, -1])
                for place, index in enumerate(wanted)
            },
        }


def _mean(values: np.ndarray) -> float | None:
    present = values[values > -1]
    return float(present.mean()) if present.size else None
