"""Connected, gap-free segments out of the graph's raw labels.

The same algorithm, step by step, as layers/segments/segment-map.ts: both are held to one set of cases,
test/segments/fixtures/connectivity.json. Four-neighbour, deterministic.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

NO_LABEL = 65_535
"""The raw label of a pixel that belongs to no segment."""


def minimum_area(labels: np.ndarray, ratio: float) -> int:
    """Smallest area in pixels that is a segment of its own: `ratio` of the mean area of the seeds found in `labels`."""
    seeds = np.count_nonzero(np.bincount(labels.reshape(-1), minlength=NO_LABEL + 1)[:NO_LABEL])
    return int(ratio * labels.size / seeds) if seeds else 0


def enforce_connectivity(labels: np.ndarray, min_area: int) -> np.ndarray:
    """Splits labels into 4-connected components and merges those smaller than `min_area` pixels.

    `labels` is (height, width), integers 0..65,535, 65,535 = none. Returns (height, width) int32 with 0 where there is
    no segment and ids 1..n without gaps, in raster order of each segment's first pixel.

    Small components ("orphans") are visited by (area, number), both as they were at first, and each joins the group
    with which its own component shares the longest border; ties go to the group that begins first. An orphan without
    another group beside it stays.
    """
    height, width = labels.shape
    component, count = _components(np.ascontiguousarray(labels))
    area = np.bincount(component.reshape(-1), minlength=count + 1)[1:]
    group = np.arange(count)
    orphans = np.flatnonzero(area < min_area)
    if len(orphans):
        _merge(group, orphans[np.lexsort((orphans, area[orphans]))], _borders(component, count, area < min_area))
    # A group's root is its lowest component, which is the one that begins first: ranks of roots are in raster order.
    rank = np.cumsum(group == np.arange(count))
    ids = np.concatenate([[0], rank[group]]).astype(np.int32)
    return ids[component].reshape(height, width)


def _components(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Numbers components 1..n in raster order of their first pixel (0 = none). Works on runs of equal label in a row,
    which are far fewer than pixels."""
    height, width = labels.shape
    starts = np.ones((height, width), bool)
    starts[:, 1:] = labels[:, 1:] != labels[:, :-1]
    run = (np.cumsum(starts.reshape(-1)) - 1).reshape(height, width)
    runs = int(run[-1, -1]) + 1
    joined = labels[1:] == labels[:-1]
    # One edge per pair of runs suffices: the first column at which both rows' runs overlap.
    joined &= starts[1:] | starts[:-1]
    edges = coo_matrix(
        (np.ones(np.count_nonzero(joined), np.uint8), (run[:-1][joined], run[1:][joined])), shape=(runs, runs)
    )
    found, of_run = connected_components(edges, directed=False)
    first = np.empty(found, np.int64)
    first[of_run[::-1]] = np.arange(runs)[::-1]  # the last of repeated assignments stays: the first run
    first[of_run[np.flatnonzero(labels.reshape(-1)[starts.reshape(-1)] == NO_LABEL)]] = runs
    order = np.argsort(first, kind="stable")
    count = int(np.count_nonzero(first < runs))
    number = np.zeros(found, np.int64)
    number[order[:count]] = np.arange(1, count + 1)
    return number[of_run][run], count


def _borders(component: np.ndarray, count: int, small: np.ndarray) -> dict[int, list[tuple[int, int]]]:
    """For each small component its neighbours and the number of 4-neighbour pixel pairs shared with each."""
    small = np.concatenate([[False], small])
    codes = []
    for one, other in ((component[:, 1:], component[:, :-1]), (component[1:], component[:-1])):
        touching = (one != other) & (one > 0) & (other > 0) & (small[one] | small[other])
        one, other = one[touching] - 1, other[touching] - 1
        codes += [one * count + other, other * count + one]
    pairs, lengths = np.unique(np.concatenate(codes), return_counts=True)
    borders: dict[int, list[tuple[int, int]]] = {}
    for pair, length in zip(pairs.tolist(), lengths.tolist()):
        borders.setdefault(pair // count, []).append((pair % count, length))
    return borders


def _merge(group: np.ndarray, orphans: np.ndarray, borders: dict[int, list[tuple[int, int]]]) -> None:
    """Merges orphans in the order given; `group` (component -> root, the lowest of its group) is changed in place."""
    parent = group.tolist()

    def root(of: int) -> int:
        while parent[of] != of:
            parent[of] = parent[parent[of]]
            of = parent[of]
        return of

    for orphan in orphans.tolist():
        own = root(orphan)
        shared: dict[int, int] = {}
        for neighbour, length in borders.get(orphan, ()):
            other = root(neighbour)
            if other != own:
                shared[other] = shared.get(other, 0) + length
        if shared:
            best = min(shared, key=lambda other: (-shared[other], other))
            parent[max(own, best)] = min(own, best)
    group[:] = [root(of) for of in range(len(parent))]
