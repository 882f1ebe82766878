"""What the runtime does to the graph's winners before they are segments: specks and holes go to their neighbours.

The twin of layers/segments/clean-objects.ts, step by step: objects are judged by their 4-connected pieces.
"""

from __future__ import annotations

import numpy as np

from clustseg.bundle.components import NO_LABEL, label_components
from clustseg.bundle.orphans import merge_orphans

SMALLEST_PART = 10
"""Pieces of a countable object smaller than one of so many parts of its largest piece are not of it."""


def clean_objects(
    labels: np.ndarray, countable: np.ndarray, min_area: int, overlap_threshold: float = 0.0, dropped: np.ndarray | None = None
) -> np.ndarray:
    """Object labels int [H, W] (NO_LABEL = none) without pieces below `min_area` pixels, those below a tenth of a countable
    object's largest piece, and objects that keep less than `overlap_threshold` of their pixels or are `dropped`.

    `countable`, `dropped`: bool by object. What is taken away joins the neighbour with the longest border, none included.
    """
    countable = np.asarray(countable, bool)
    gone = np.zeros(len(countable), bool) if dropped is None else np.array(dropped, bool)
    labels = labels.astype(np.int64)
    by_size_alone = False
    while True:
        pieces, count = label_components(labels)
        areas = np.bincount(pieces.reshape(-1), minlength=count + 1)
        object_of = np.full(count + 1, NO_LABEL, np.int64)
        object_of[pieces.reshape(-1)] = labels.reshape(-1)
        object_of[0] = NO_LABEL
        if by_size_alone:
            orphans = areas < min_area
            orphans[0] = False
        else:
            orphans = _judged(areas, object_of, countable, gone, min_area, overlap_threshold)
        group, head = merge_orphans(pieces, areas, orphans, into_none=True)
        label_of = object_of[head[group]]
        known = label_of != NO_LABEL
        label_of[known] = np.where(gone[label_of[known]], NO_LABEL, label_of[known])
        labels = label_of[pieces]
        roots = np.flatnonzero(group == np.arange(count + 1))
        roots = roots[(roots > 0) | (areas[0] > 0)]
        left = orphans[head[roots[roots > 0]]].any()
        if not left or len(roots) <= 1:
            return labels
        # Orphans that joined an orphan which nobody took in may be too small together, too.
        by_size_alone = True


def _judged(areas, object_of, countable, gone, min_area, overlap_threshold) -> np.ndarray:
    """Pieces to be taken away, bool [P + 1]; notes in `gone` the objects that keep too little."""
    own, sizes = object_of[1:], areas[1:]
    largest = np.zeros(len(countable), np.int64)
    np.maximum.at(largest, own, sizes)
    taken = (sizes < min_area) | (countable[own] & (sizes * SMALLEST_PART < largest[own]))
    won = np.bincount(own, sizes, len(countable))
    kept = np.bincount(own[~taken], sizes[~taken], len(countable))
    gone |= countable & (kept < overlap_threshold * won)
    return np.concatenate([[False], taken | gone[own]])
