"""Connected, gap-free segments out of the graph's raw labels.

The same algorithm, step by step, as layers/segments/segment-map.ts: both are held to one set of cases,
test/segments/fixtures/connectivity.json. Four-neighbour, deterministic.
"""

from __future__ import annotations

import numpy as np

from clustseg.bundle.components import NO_LABEL, label_components
from clustseg.bundle.orphans import merge_orphans


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
    component, count = label_components(np.ascontiguousarray(labels))
    areas = np.bincount(component.reshape(-1), minlength=count + 1)
    orphans = areas < min_area
    orphans[0] = False
    group, _ = merge_orphans(component, areas, orphans)
    # A group's root is its lowest component, which is the one that begins first: ranks of roots are in raster order. None is root 0.
    rank = np.cumsum(group == np.arange(count + 1)) - 1
    return rank[group].astype(np.int32)[component].reshape(height, width)
