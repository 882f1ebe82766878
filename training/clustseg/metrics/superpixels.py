"""Superpixel metrics on integer label maps, vectorised with joint histograms.

All functions take label maps of shape (height, width) with any non-negative integers as labels; every distinct label is
one segment, whether or not it is connected. The metrics are those that Stutz, Hermans and Leibe compare in
"Superpixels: An Evaluation of the State-of-the-Art" (2018). Programs differ in what they count as a boundary pixel, as
perimeter and as tolerance, which moves the figures by more than methods differ: each function says what it counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

BOUNDARY_TOLERANCE = 2
"""Tolerance of boundary recall and precision in pixels: a square window of (2 r + 1) x (2 r + 1)."""


@dataclass(frozen=True)
class SuperpixelMetrics:
    """Metrics of one image: `found` and `co` belong to the map, the others are means over the annotators. All lie in
    0..1 but `found`."""

    found: int
    asa: float
    ue: float
    br: float
    bp: float
    co: float


def dense_labels(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Renumbers labels to 0..n-1 in their own order. Returns the (height, width) int64 map and n."""
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.size == 0:
        raise ValueError(f"Expected a label map (height, width) but received an array of shape {labels.shape}")
    flat = labels.reshape(-1).astype(np.int64)
    if flat.min() < 0:
        raise ValueError("Expected labels >= 0 but received negative ones")
    if flat.max() > 4 * flat.size + 65_536:  # sparse labels: a table would be larger than a sort is slow
        values, dense = np.unique(flat, return_inverse=True)
        return dense.reshape(labels.shape), len(values)
    present = np.bincount(flat) > 0
    number = np.cumsum(present) - 1
    return number[flat].reshape(labels.shape), int(number[-1]) + 1


def joint_histogram(labels: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Pixels that each superpixel shares with each region of the ground truth, (superpixels, regions) int64."""
    if labels.shape != truth.shape:
        raise ValueError(f"Expected maps of one shape but received {labels.shape} and {truth.shape}")
    a, n = dense_labels(labels)
    b, m = dense_labels(truth)
    return _joint(a, n, b, m)


def achievable_segmentation_accuracy(labels: np.ndarray, truth: np.ndarray) -> float:
    """ASA = 1/N * sum over superpixels of the pixels shared with its largest region (Liu et al. 2011)."""
    return _asa(joint_histogram(labels, truth))


def undersegmentation_error(labels: np.ndarray, truth: np.ndarray) -> float:
    """UE_NP = 1/N * sum over regions G, over superpixels S that overlap G, of min(|S in G|, |S - G|)
    (Neubert and Protzel 2012)."""
    return _ue(joint_histogram(labels, truth))


def boundary_map(labels: np.ndarray) -> np.ndarray:
    """Boundary pixels, (height, width) bool: the right or the lower neighbour has another label. One pixel wide."""
    boundary = np.zeros(labels.shape, bool)
    boundary[:, :-1] = labels[:, 1:] != labels[:, :-1]
    boundary[:-1] |= labels[1:] != labels[:-1]
    return boundary


def dilate(mask: np.ndarray, radius: int) -> np.ndarray:
    """Dilation by a square of (2 radius + 1) x (2 radius + 1), the metrics' tolerance."""
    for axis in (0, 1):
        source = np.moveaxis(mask, axis, 0)
        grown = source.copy()
        for step in range(1, min(radius, len(source) - 1) + 1):
            grown[step:] |= source[:-step]
            grown[:-step] |= source[step:]
        mask = np.moveaxis(grown, 0, axis)
    return mask


def boundary_recall(labels: np.ndarray, truth: np.ndarray, radius: int = BOUNDARY_TOLERANCE) -> float:
    """Part of the ground truth's boundary pixels with a superpixel boundary within the square of `radius`.
    1 where the ground truth has no boundary."""
    return _part(boundary_map(truth), dilate(boundary_map(labels), radius))


def boundary_precision(labels: np.ndarray, truth: np.ndarray, radius: int = BOUNDARY_TOLERANCE) -> float:
    """Part of the superpixels' boundary pixels with a ground truth boundary within the square of `radius`.
    1 where the superpixels have no boundary. Falls with the number of superpixels: they cut homogeneous regions too."""
    return _part(boundary_map(labels), dilate(boundary_map(truth), radius))


def perimeters(labels: np.ndarray) -> np.ndarray:
    """Perimeter of each segment in pixel edges, int64, in order of the labels: the edges to a 4-neighbour of another
    label, and the edges on the image's border."""
    dense, n = dense_labels(labels)
    return _perimeters(dense, n)


def compactness(labels: np.ndarray) -> float:
    """CO = sum over superpixels of |S|/N * 4 pi |S| / P(S)^2 (Schick, Fischer and Stiefelhagen 2012), the perimeter P
    counted in pixel edges. A map of squares has pi/4 = .785, the most that a tiling can practically have."""
    return _compactness(*dense_labels(labels))


def superpixel_metrics(
    labels: np.ndarray, truths: Iterable[np.ndarray], radius: int = BOUNDARY_TOLERANCE
) -> SuperpixelMetrics:
    """All metrics of one label map against the maps of one or more annotators (means over them)."""
    dense, n = dense_labels(labels)
    boundary = boundary_map(dense)
    near_boundary = dilate(boundary, radius)
    rows = []
    for truth in truths:
        if truth.shape != dense.shape:
            raise ValueError(f"Expected a ground truth of shape {dense.shape} but received {truth.shape}")
        joint = _joint(dense, n, *dense_labels(truth))
        truth_boundary = boundary_map(truth)
        recall = _part(truth_boundary, near_boundary)
        precision = _part(boundary, dilate(truth_boundary, radius))
        rows.append((_asa(joint), _ue(joint), recall, precision))
    if not rows:
        raise ValueError("Expected at least one ground truth but received none")
    asa, ue, br, bp = (float(value) for value in np.mean(rows, axis=0))
    return SuperpixelMetrics(found=n, asa=asa, ue=ue, br=br, bp=bp, co=_compactness(dense, n))


def _joint(dense: np.ndarray, n: int, truth: np.ndarray, m: int) -> np.ndarray:
    return np.bincount((dense * m + truth).reshape(-1), minlength=n * m).reshape(n, m)


def _asa(joint: np.ndarray) -> float:
    return float(joint.max(axis=1).sum() / joint.sum())


def _ue(joint: np.ndarray) -> float:
    # Where a superpixel does not overlap a region, min(0, size) adds nothing, so no mask is needed.
    outside = joint.sum(axis=1, keepdims=True) - joint
    return float(np.minimum(joint, outside).sum() / joint.sum())


def _part(mask: np.ndarray, near: np.ndarray) -> float:
    whole = np.count_nonzero(mask)
    return float(np.count_nonzero(mask & near) / whole) if whole else 1.0


def _perimeters(dense: np.ndarray, n: int) -> np.ndarray:
    edges = np.bincount(np.concatenate([dense[0], dense[-1], dense[:, 0], dense[:, -1]]), minlength=n)
    for one, other in ((dense[:, 1:], dense[:, :-1]), (dense[1:], dense[:-1])):
        differs = one != other
        edges += np.bincount(one[differs], minlength=n) + np.bincount(other[differs], minlength=n)
    return edges


def _compactness(dense: np.ndarray, n: int) -> float:
    area = np.bincount(dense.reshape(-1), minlength=n).astype(np.float64)
    return float((area / dense.size * 4 * np.pi * area / _perimeters(dense, n) ** 2).sum())
