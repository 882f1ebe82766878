"""An exported mask bundle run as the product runs it: size policy, graph, cleaning, and the way back to the image's frame."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from clustseg.bundle.cleaning import clean_objects
from clustseg.bundle.components import NO_LABEL
from clustseg.bundle.mask_tiles import ObjectCanvas, Objects, plan_tiles
from clustseg.data.samples import Category

MASK_TASKS = ("semantic", "instance", "panoptic")


@dataclass(frozen=True)
class Found:
    """segments int32 [H, W] (-1 = none); of each its class, as position in the bundle's list, and its score."""

    segments: np.ndarray
    classes: np.ndarray
    scores: np.ndarray


def read_manifest(bundle: Path) -> dict:
    path = bundle / "model.json"
    if not path.exists():
        raise SystemExit(f"{path}: there is no such file; give the folder of a bundle (clustseg.export --out)")
    return json.loads(path.read_text())


# A graph: image uint8 [H, W, 3] and task -> labels [H, W], class ids [K], scores [K].
Graph = Callable[[np.ndarray, str], tuple[np.ndarray, np.ndarray, np.ndarray]]


class MaskRuntime:
    """What is around a graph. `policy` is model.json's input; `parameters` are threshold, overlap_threshold and min_area."""

    def __init__(self, categories: Sequence[Category], policy: dict, parameters: dict[str, float], graph: Graph) -> None:
        self.categories, self.policy, self.parameters, self.graph = list(categories), policy, parameters, graph
        self._position = {one["id"]: index for index, one in enumerate(self.categories)}
        self._isthing = np.array([bool(one["isthing"]) for one in self.categories])

    def segment(self, image: np.ndarray, task: str) -> Found:
        """image uint8 [H, W, 3] -> its segments, in its own frame."""
        tile = self.policy.get("mask_tile")
        if tile is not None and self.policy.get("scale", {"mode": "native"})["mode"] == "native":
            objects = self._in_tiles(image, task, tile)
        else:
            objects = self._objects(self.fitted(image), task)
        return self.finished(objects, task, *image.shape[:2])

    def fitted(self, image: np.ndarray) -> np.ndarray:
        """The image at the size that the graph is given."""
        scale = self.policy.get("scale", {"mode": "native"})
        if scale["mode"] == "native":
            return image
        height, width = image.shape[:2]
        factor = scale["long_side"] / max(height, width)
        size = max(1, int(width * factor + 0.5)), max(1, int(height * factor + 0.5))
        return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))

    def finished(self, objects: Objects, task: str, height: int, width: int) -> Found:
        """Objects at the graph's size -> segments in a frame of height x width."""
        labels = clean_objects(
            objects.labels,
            objects.countable,
            int(self.parameters.get("min_area", 0)),
            self.parameters.get("overlap_threshold", 0.0),
            objects.dropped,
        )
        labels = smooth_labels(labels, height, width)
        shown = np.unique(labels)
        shown = shown[shown != NO_LABEL]
        if task == "instance":
            shown = shown[self._isthing[objects.classes[shown]]]
        number = np.full(NO_LABEL + 1, -1, np.int32)
        number[shown] = np.arange(len(shown))
        return Found(number[labels], objects.classes[shown], objects.scores[shown])

    def _in_tiles(self, image: np.ndarray, task: str, policy: dict) -> Objects:
        height, width = image.shape[:2]
        tiles = plan_tiles(height, width, policy["side"], policy["overlap"], policy.get("align", 32))
        if len(tiles) == 1:
            return self._objects(image, task)
        canvas = ObjectCanvas(height, width)
        for tile in tiles:
            canvas.add(tile, self._objects(np.ascontiguousarray(image[tile.area]), task))
        return canvas.finish()

    def _objects(self, image: np.ndarray, task: str) -> Objects:
        return self.objects_of(*self.graph(image, task), task)

    def objects_of(self, labels: np.ndarray, class_id: np.ndarray, score: np.ndarray, task: str) -> Objects:
        """What becomes one segment: each thing (where the task tells them apart), and all of a class of stuff."""
        positions = np.array([self._position[int(one)] for one in class_id], np.int64)
        countable = self._isthing[positions] & (task != "semantic")
        won = np.bincount(labels.reshape(-1), minlength=NO_LABEL + 1)[: len(positions)]
        index_of = np.full(NO_LABEL + 1, NO_LABEL, np.int64)
        rows: list[list] = []
        of_class: dict[int, int] = {}
        threshold = np.float32(self.parameters.get("threshold", 0.0))
        for cluster in np.flatnonzero(won).tolist():
            category, single, pixels = int(positions[cluster]), bool(countable[cluster]), int(won[cluster])
            if single and score[cluster] < threshold:
                continue
            known = None if single else of_class.get(category)
            if known is None:
                known = len(rows)
                rows.append([category, 0.0, single, 0])
                if not single:
                    of_class[category] = known
            index_of[cluster] = known
            rows[known][1] += float(score[cluster]) * pixels
            rows[known][3] += pixels
        classes = np.array([row[0] for row in rows], np.int64)
        scores = np.array([row[1] / row[3] for row in rows])
        return Objects(index_of[labels], classes, scores, np.array([row[2] for row in rows], bool), np.zeros(len(rows), bool))


class BundleRuntime(MaskRuntime):
    """An exported bundle. `parameters` replace its defaults, mask_threshold too."""

    def __init__(self, bundle: Path, threads: int = 1, **parameters: float) -> None:
        import onnxruntime

        self.manifest = read_manifest(bundle)
        self.tasks = tuple(task for task in self.manifest["tasks"] if task in MASK_TASKS)
        chosen = {**self.manifest["defaults"], **parameters}
        super().__init__(self.manifest["classes"], self.manifest["input"], chosen, self._run)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        path = bundle / self.manifest["graph"]["file"]
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._declared = {one.name for one in self._session.get_inputs()}

    def _run(self, image: np.ndarray, task: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        feeds = {
            "image": image[None],
            "task": np.array([self.manifest["tasks"].index(task)]),
            "superpixels": np.array([300]),
            "grid": np.zeros(2, np.int64),
            "threshold": np.array([self.parameters.get("threshold", 0.0)], np.float32),
            "mask_threshold": np.array([self.parameters.get("mask_threshold", 0.0)], np.float32),
            "with_steps": np.array([0]),
        }
        given = {name: value for name, value in feeds.items() if name in self._declared}
        labels, class_id, score = self._session.run(["labels", "class_id", "score"], given)
        return labels[0], class_id[0], score[0]


def smooth_labels(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Labels in another size: each pixel takes the label with most weight among the four that bilinear interpolation would mix
    (layers/segments/upscale.ts, smoothLabels)."""
    if labels.shape == (height, width):
        return labels
    (top, bottom, down), (left, right, across) = _mixes(labels.shape[0], height), _mixes(labels.shape[1], width)
    corners = np.stack([labels[np.ix_(rows, columns)] for rows in (top, bottom) for columns in (left, right)])
    high, low = (2 * height - down)[:, None], down[:, None]
    west, east = (2 * width - across)[None], across[None]
    weights = np.stack([high * west, high * east, low * west, low * east])
    # The weight of each corner's label; of equal ones the first corner's.
    total = np.stack([(weights * (corners == corner)).sum(axis=0) for corner in corners])
    return np.take_along_axis(corners, total.argmax(axis=0)[None], axis=0)[0]


def _mixes(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    at = (2 * np.arange(new) + 1) * old - new
    before = at // (2 * new)
    return before.clip(0), (before + 1).clip(max=old - 1), at - before * 2 * new
