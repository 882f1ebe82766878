"""Measures a mask network in training, with what the runtime does after the graph; bundles: clustseg.evaluate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage

from clustseg.data.samples import Samples
from clustseg.metrics.segmentation import BowlScore, PanopticScore, SemanticScore
from clustseg.model.infer import NO_LABEL, MaskInference
from clustseg.model.universal import UniversalClustSeg
from clustseg.training.recipes import Recipe

# A graph as the runtime sees it: image uint8 [H, W, 3], task -> labels [H, W], class ids [K], scores [K].
Graph = Callable[[np.ndarray, str], tuple[np.ndarray, np.ndarray, np.ndarray]]


def graph_of(network: UniversalClustSeg, recipe: Recipe, threshold: float, mask_threshold: float = 0.0) -> Graph:
    """The network in PyTorch."""
    tasks = {"semantic" if task == "semantic" else "panoptic" for task in recipe.config.tasks}
    device = next(network.parameters()).device
    heads = {task: MaskInference(network, task, recipe.normalise).eval().to(device) for task in tasks}

    @torch.no_grad()
    def run(image: np.ndarray, task: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        head = heads["semantic" if task == "semantic" else "panoptic"]
        thresholds = torch.tensor([[threshold], [mask_threshold]], device=device)
        found = head(torch.from_numpy(image.copy())[None].to(device), *thresholds)
        return found.labels[0].cpu().numpy(), found.class_id[0].cpu().numpy(), found.score[0].cpu().numpy()

    return run


def segments_of(
    labels: np.ndarray, class_id: np.ndarray, things: tuple[bool, ...], task: str, min_area: int
) -> tuple[np.ndarray, np.ndarray]:
    """Segments int32 [H, W] (-1 = none) and their classes. Pieces below `min_area`, and those of a thing below a tenth of its
    largest, go to the label that most surrounds them, as in layers/segments."""
    labels = labels.astype(np.int64)
    # Where objects are not told apart, nothing is known of how many pieces they should have.
    countable = (False,) * len(things) if task == "semantic" else things
    labels = without_specks(labels, class_id, countable, min_area)
    segments = np.full(labels.shape, -1, np.int32)
    classes: list[int] = []
    stuff: dict[int, int] = {}
    for cluster in np.unique(labels):
        if cluster == NO_LABEL:
            continue
        of = int(class_id[cluster])
        thing = things[of]
        if task == "instance" and not thing:
            continue
        if task == "semantic" or not thing:
            at = stuff.setdefault(of, len(classes))
            if at == len(classes):
                classes.append(of)
        else:
            at = len(classes)
            classes.append(of)
        segments[labels == cluster] = at
    return segments, np.array(classes, np.int64)


def without_specks(labels: np.ndarray, class_id: np.ndarray, things: tuple[bool, ...], min_area: int) -> np.ndarray:
    """Labels without components that are too small, each given to the label with which it shares the longest border."""
    result = labels.copy()
    for cluster, window in _windows(labels):
        own = labels[window] == cluster
        parts, count = ndimage.label(own)
        if count == 0:
            continue
        areas = np.bincount(parts.reshape(-1))[1:]
        least = min_area
        if cluster != NO_LABEL and things[int(class_id[cluster])]:
            least = max(min_area, areas.max() / 10)
        for part in np.flatnonzero(areas < least) + 1:
            rows, columns = ndimage.find_objects((parts == part).astype(np.int32))[0]
            top, left = window[0].start + rows.start, window[1].start + columns.start
            grown = (
                slice(max(0, top - 1), window[0].start + rows.stop + 1),
                slice(max(0, left - 1), window[1].start + columns.stop + 1),
            )
            inside = np.zeros(labels[grown].shape, bool)
            inside[
                top - grown[0].start : top - grown[0].start + rows.stop - rows.start,
                left - grown[1].start : left - grown[1].start + columns.stop - columns.start,
            ] = parts[rows, columns] == part
            ring = ndimage.binary_dilation(inside) & ~inside
            around = labels[grown][ring]
            if len(around):
                values, times = np.unique(around, return_counts=True)
                result[grown][inside] = values[times.argmax()]
    return result


def _windows(labels: np.ndarray) -> list[tuple[int, tuple[slice, slice]]]:
    """Each label with its bounding box."""
    names = np.unique(labels)
    ranks = np.searchsorted(names, labels) + 1
    return [(int(name), box) for name, box in zip(names, ndimage.find_objects(ranks))]


def evaluate_graph(
    graph: Graph, recipe: Recipe, samples: Samples, limit: int | None = None, min_area: int = 16
) -> dict[str, object]:
    """Scores of the recipe's tasks on the first `limit` images, over the classes that it counts."""
    config = recipe.config
    scores: dict[str, object] = {}
    tasks = set(config.tasks)
    if "semantic" in tasks:
        scores["semantic"] = SemanticScore(samples.categories)
    if "panoptic" in tasks and len([thing for thing in config.things if thing]) > 1:
        scores["panoptic"] = PanopticScore(samples.categories)
    elif "instance" in tasks:
        scores["instance"] = BowlScore()
    chosen = list(range(len(samples) if limit is None else min(limit, len(samples))))
    for index in chosen:
        sample = samples[index]
        for task, score in scores.items():
            labels, class_id, _ = graph(sample.image, task)
            segments, classes = segments_of(labels, class_id, config.things, task, min_area)
            score.add(segments, classes, sample)
    names = recipe.counted or None
    return {task: score.result(None if task == "instance" else names) for task, score in scores.items()}


def evaluate_masks(network: UniversalClustSeg, recipe: Recipe, samples: Samples, limit: int | None) -> dict[str, float]:
    """A few figures for the training log, of images small enough to be seen whole."""
    small = [index for index in range(len(samples)) if samples[index].segments.size < 300_000]
    samples = samples.subset(small)
    results = evaluate_graph(graph_of(network, recipe, threshold=0.5), recipe, samples, limit)
    return {f"{task}_{name}": value for task, result in results.items() for name, value in result.items() if isinstance(value, float)}
