"""4-connected components of label maps. The twin of layers/segments/components.ts."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

NO_LABEL = 65_535
"""The raw label of a pixel that belongs to no segment."""


def label_components(labels: np.ndarray) -> tuple[np.ndarray, int]:
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
