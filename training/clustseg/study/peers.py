"""Measures other superpixel methods on BSDS500, at numbers of segments *found* that match.

    pip install -r requirements-peers.txt        (fast-slic: see there)
    OMP_NUM_THREADS=1 python -m clustseg.study.peers --json results/peers-bsds500-test.json

Methods return fewer or more segments than asked for, so what to ask is searched first, on a few of the split's images.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clustseg.bundle.connectivity import enforce_connectivity, minimum_area
from clustseg.bundle.evaluate_superpixels import Segment, add_data_arguments, evaluate_superpixels, format_table, split_images
from clustseg.data.root import bsds500_folder

SEARCH_IMAGES = 10
SEARCH_STEP = 2**0.5


@dataclass(frozen=True)
class Peer:
    """Another method: how it is named, the package it comes from, its settings, and how to make its `segment`, which
    raises ImportError where the package is missing."""

    name: str
    package: str
    settings: str
    make: Callable[[], Segment]


def skimage_slic() -> Segment:
    from skimage.segmentation import slic

    return lambda image, asked: slic(image, n_segments=asked, compactness=10, start_label=0)


def fast_slic() -> Segment:
    try:
        from fast_slic.avx2 import SlicAvx2 as Slic  # same labels as Slic, faster
    except ImportError:
        from fast_slic import Slic

    return lambda image, asked: Slic(num_components=asked, compactness=10, num_threads=1).iterate(image)


def opencv_slico() -> Segment:
    cv2 = _opencv()

    def segment(image: np.ndarray, asked: int) -> np.ndarray:
        slico = cv2.ximgproc.createSuperpixelSLIC(_smooth_lab(image), cv2.ximgproc.SLICO, _side(image, asked))
        slico.iterate(10)
        slico.enforceLabelConnectivity(25)
        return slico.getLabels()

    return segment


def opencv_lsc() -> Segment:
    cv2 = _opencv()

    def segment(image: np.ndarray, asked: int) -> np.ndarray:
        lsc = cv2.ximgproc.createSuperpixelLSC(_smooth_lab(image), _side(image, asked), 0.075)
        lsc.iterate(10)
        lsc.enforceLabelConnectivity(25)
        return _connected(lsc.getLabels())

    return segment


def opencv_seeds() -> Segment:
    cv2 = _opencv()

    def segment(image: np.ndarray, asked: int) -> np.ndarray:
        height, width = image.shape[:2]
        seeds = cv2.ximgproc.createSuperpixelSEEDS(width, height, 3, asked, 4, 2, 5, False)
        seeds.iterate(_smooth_lab(image), 10)
        return _connected(seeds.getLabels())

    return segment


PEERS = (
    Peer("SLIC", "scikit-image", "compactness 10", skimage_slic),
    Peer("fast-slic", "fast-slic", "compactness 10", fast_slic),
    Peer("SLICO", "opencv-contrib-python-headless", "adaptive compactness", opencv_slico),
    Peer("LSC", "opencv-contrib-python-headless", "ratio .075; made connected by clustseg.bundle.connectivity", opencv_lsc),
    Peer("SEEDS", "opencv-contrib-python-headless", "4 levels; made connected by clustseg.bundle.connectivity", opencv_seeds),
)


def _opencv():
    import cv2

    if not hasattr(cv2, "ximgproc"):
        raise ImportError("cv2 without ximgproc: opencv-contrib-python-headless is needed")
    cv2.setNumThreads(1)
    return cv2


def _smooth_lab(image: np.ndarray) -> np.ndarray:
    """What OpenCV's documentation asks for: slightly blurred CIELAB."""
    import cv2

    return cv2.cvtColor(cv2.GaussianBlur(image, (3, 3), 0), cv2.COLOR_RGB2LAB)


def _side(image: np.ndarray, asked: int) -> int:
    return max(2, round((image.shape[0] * image.shape[1] / asked) ** 0.5))


def _connected(labels: np.ndarray) -> np.ndarray:
    # Their labels fall into several pieces each; counted as they are, they would seem to need fewer segments.
    return enforce_connectivity(labels, minimum_area(labels, 0.0625))


def search_asked(segment: Segment, dataset: Path, split: str, targets: Sequence[int]) -> list[int]:
    """Numbers to ask so that about `targets` segments are found, without repeats: asked against found is measured on a
    few images at steps of sqrt(2) and read off on log scales."""
    asked, found = [], []
    step = min(targets) / 1.5
    while not found or (found[-1] < max(targets) and step < 8 * max(targets)):
        (row,) = evaluate_superpixels(segment, dataset, split, [round(step)], limit=SEARCH_IMAGES)
        asked.append(round(step))
        found.append(max(row["found"], *found) if found else row["found"])
        step *= SEARCH_STEP
    wanted = np.exp(np.interp(np.log(targets), np.log(found), np.log(asked)))
    return sorted({round(float(number)) for number in wanted})


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="clustseg.study.peers", description="Measure other superpixel methods on BSDS500.")
    parser.add_argument("--peers", help="names, comma-separated (default: all that are installed)")
    add_data_arguments(parser, "segments to be found, comma-separated")
    options = parser.parse_args(arguments)

    wanted = options.peers.split(",") if options.peers else [peer.name for peer in PEERS]
    unknown = set(wanted) - {peer.name for peer in PEERS}
    if unknown:
        parser.error(f"Expected names of {', '.join(peer.name for peer in PEERS)} but received {', '.join(unknown)}")
    dataset = bsds500_folder(options.data)
    report = {
        "data": "BSDS500",
        "split": options.split,
        "images": len(split_images(dataset, options.split, options.limit)),
        "peers": [],
    }
    for peer in (peer for peer in PEERS if peer.name in wanted):
        try:
            segment = peer.make()
        except ImportError as error:
            print(f"{peer.name}: left out, {peer.package} is not installed ({error})\n")
            continue
        asked = search_asked(segment, dataset, options.split, options.superpixels)
        rows = evaluate_superpixels(segment, dataset, options.split, asked, options.limit, options.workers)
        rows = list({row["found"]: row for row in reversed(rows)}.values())[::-1]  # SEEDS knows few grids
        package = f"{peer.package} {importlib.metadata.version(peer.package)}"
        print(f"{peer.name} ({package}; {peer.settings})\n{format_table(rows)}\n", flush=True)
        report["peers"].append({"name": peer.name, "package": package, "settings": peer.settings, "rows": rows})
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
