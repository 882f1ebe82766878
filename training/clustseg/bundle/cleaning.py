"""What the runtime does to the graph's winners before they are segments: specks and holes go to their neighbours.

The twin of layers/segments/clean-objects.ts, step by step: objects are judged by their 4-connected pieces.
"""

from __future__ import annotations

import numpy as np

from clustseg.bundle.connectivity import NO_LABEL, _components

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
        pieces, count = _components(labels)
        areas = np.bincount(pieces.reshape(-1), minlength=count + 1)
        object_of = np.full(count + 1, NO_LABEL, np.int64)
        object_of[pieces.reshape(-1)] = labels.reshape(-1)
        object_of[0] = NO_LABEL
        if by_size_alone:
            orphans = areas < min_area
            orphans[0] = False
        else:
            orphans = _judged(areas, object_of, countable, gone, min_area, overlap_threshold)
        group, head = _merged(pieces, count, areas, orphans)
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


def _merged(pieces: np.ndarray, count: int, areas: np.ndarray, orphans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each orphan, by (area, number), joins the group with which its own piece shares the longest border; ties go to the group
    that begins first. Returns each piece's root, the lowest of its group, and by root the piece that the group is like."""
    parent, head = list(range(count + 1)), list(range(count + 1))
    if not orphans.any():
        return np.arange(count + 1), np.arange(count + 1)

    def root(of: int) -> int:
        while parent[of] != of:
            parent[of] = parent[parent[of]]
            of = parent[of]
        return of

    borders = _borders(pieces, count + 1, orphans)
    numbers = np.flatnonzero(orphans)
    for orphan in numbers[np.lexsort((numbers, areas[numbers]))].tolist():
        own = root(orphan)
        shared: dict[int, int] = {}
        for neighbour, length in borders.get(orphan, ()):
            other = root(neighbour)
            if other != own:
                shared[other] = shared.get(other, 0) + length
        if shared:
            best = min(shared, key=lambda other: (-shared[other], other))
            like = head[best]
            low, high = min(own, best), max(own, best)
            parent[high] = low
            head[low] = like
    return np.array([root(of) for of in range(count + 1)]), np.array(head)


def _borders(pieces: np.ndarray, count: int, orphans: np.ndarray) -> dict[int, list[tuple[int, int]]]:
    """Of each orphan its neighbours (0 = none) and how many pairs of pixels touch."""
    codes = []
    for one, other in ((pieces[:, 1:], pieces[:, :-1]), (pieces[1:], pieces[:-1])):
        touching = (one != other) & (orphans[one] | orphans[other])
        first, second = one[touching], other[touching]
        codes += [first * count + second, second * count + first]
    pairs, lengths = np.unique(np.concatenate(codes), return_counts=True)
    borders: dict[int, list[tuple[int, int]]] = {}
    for pair, length in zip(pairs.tolist(), lengths.tolist()):
        borders.setdefault(pair // count, []).append((pair % count, length))
    return borders
