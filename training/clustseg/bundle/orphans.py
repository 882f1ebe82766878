"""Components that are too small join a neighbour. The twin of layers/segments/orphans.ts."""

from __future__ import annotations

import numpy as np


def merge_orphans(
    components: np.ndarray, areas: np.ndarray, orphans: np.ndarray, *, into_none: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Each orphan, by (area, number), both as they were at first, joins the group with which its own component shares the longest
    border; ties go to the group that begins first. An orphan without another group beside it stays.

    `components` [H, W] numbers 1..n in raster order, 0 = none, which takes orphans in with `into_none` only; `areas` and `orphans`
    (bool) are by number, 0..n. Returns by number the root, the lowest of its group, and by root the component that the group is like.
    """
    count = len(areas)
    parent, head = list(range(count)), list(range(count))
    if not orphans.any():
        return np.arange(count), np.arange(count)

    def root(of: int) -> int:
        while parent[of] != of:
            parent[of] = parent[parent[of]]
            of = parent[of]
        return of

    borders = _borders(components, orphans, into_none)
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
    return np.array([root(of) for of in range(count)]), np.array(head)


def _borders(components: np.ndarray, orphans: np.ndarray, into_none: bool) -> dict[int, list[tuple[int, int]]]:
    """Of each orphan its neighbours and how many pairs of pixels touch."""
    count = len(orphans)
    codes = []
    for one, other in ((components[:, 1:], components[:, :-1]), (components[1:], components[:-1])):
        touching = (one != other) & (orphans[one] | orphans[other])
        if not into_none:
            touching &= (one > 0) & (other > 0)
        first, second = one[touching], other[touching]
        codes += [first * count + second, second * count + first]
    pairs, lengths = np.unique(np.concatenate(codes), return_counts=True)
    borders: dict[int, list[tuple[int, int]]] = {}
    for pair, length in zip(pairs.tolist(), lengths.tolist()):
        borders.setdefault(pair // count, []).append((pair % count, length))
    return borders
