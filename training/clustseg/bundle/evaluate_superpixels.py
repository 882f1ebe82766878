"""Measures superpixels on BSDS500: `python -m clustseg.evaluate --bundle ../models/clustseg-superpixel`.

What is measured is any callable `segment(image, superpixels) -> labels`, so a bundle, a PyTorch model in training and
the peers (clustseg.study.peers) all go through `evaluate_superpixels`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from clustseg.bundle.connectivity import enforce_connectivity, minimum_area
from clustseg.data.root import add_data_argument, bsds500_folder
from clustseg.metrics.superpixels import SuperpixelMetrics, superpixel_metrics

Segment = Callable[[np.ndarray, int], np.ndarray]
"""(height, width, 3) uint8 RGB and the number of superpixels asked -> (height, width) integer labels."""

SUPERPIXELS = (50, 100, 200, 300, 400, 600, 800, 1000, 1500, 2500)


def split_images(dataset: Path | str, split: str, limit: int | None = None) -> list[tuple[Path, list[Path]]]:
    """Images of a split and the label files of each image's annotators, in order of names. With a `limit`, images
    spread evenly over the split. Raises FileNotFoundError where there are none."""
    folder = Path(dataset) / split
    images = sorted((folder / "images").glob("*.jpg"))
    if not images:
        raise FileNotFoundError(f"No images in {folder / 'images'}: give the folder of BSDS500 that holds {split}/images")
    if limit is not None and limit < len(images):
        images = [images[index * len(images) // limit] for index in range(limit)]
    return [(image, sorted((folder / "labels").glob(f"{image.stem}_*.png"))) for image in images]


def evaluate_superpixels(
    segment: Segment,
    dataset: Path | str,
    split: str,
    superpixels: Sequence[int],
    limit: int | None = None,
    workers: int = 1,
) -> list[dict[str, float]]:
    """One row per number of superpixels asked: {asked, found, found_max, asa, ue, br, bp, co, ms}.

    Each metric is the mean over images of the mean over annotators; `found` is the mean number of distinct labels and
    `found_max` the largest; `ms` is the median time of a `segment` call (with several workers, calls share the cores).
    """
    items = split_images(dataset, split, limit)

    def measure(item: tuple[Path, list[Path]]) -> list[tuple[SuperpixelMetrics, float]]:
        image = np.asarray(Image.open(item[0]).convert("RGB"))
        truths = [np.asarray(Image.open(path)) for path in item[1]]
        results = []
        for asked in superpixels:
            begin = time.perf_counter()
            labels = segment(image, asked)
            seconds = time.perf_counter() - begin
            results.append((superpixel_metrics(labels, truths), seconds))
        return results

    if workers > 1:
        with ThreadPoolExecutor(workers) as pool:
            measured = list(pool.map(measure, items))
    else:
        measured = [measure(item) for item in items]

    rows = []
    for index, asked in enumerate(superpixels):
        metrics = [results[index][0] for results in measured]
        row: dict[str, float] = {
            "asked": asked,
            "found": float(np.mean([one.found for one in metrics])),
            "found_max": max(one.found for one in metrics),
        }
        for name in ("asa", "ue", "br", "bp", "co"):
            row[name] = round(float(np.mean([getattr(one, name) for one in metrics])), 5)
        row["ms"] = round(float(np.median([results[index][1] for results in measured])) * 1000, 2)
        rows.append(row)
    return rows


def format_table(rows: Sequence[dict[str, float]]) -> str:
    """The rows of `evaluate_superpixels` as a Markdown table."""
    lines = ["| K asked | found | max | ASA | UE | BR | BP | CO | ms |", "|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for row in rows:
        metrics = " | ".join(f"{row[name]:.4f}" for name in ("asa", "ue", "br", "bp", "co"))
        lines.append(f"| {row['asked']} | {row['found']:.1f} | {row['found_max']} | {metrics} | {row['ms']:.1f} |")
    return "\n".join(lines)


def bundle_segment(bundle: Path | str, threads: int = 1) -> Segment:
    """A `segment` that runs an exported bundle as the product does: the ONNX graph, then connectivity with the
    bundle's own `min_area_ratio`."""
    import onnxruntime

    bundle = Path(bundle)
    manifest = json.loads((bundle / "model.json").read_text())
    ratio = float(manifest["defaults"]["min_area_ratio"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(bundle / manifest["graph"]["file"]), options, providers=["CPUExecutionProvider"]
    )
    chosen_by_graph = np.zeros(2, np.int64)
    declared = {one.name for one in session.get_inputs()}
    # What a graph of several tasks, or one that gives its E-steps, takes besides.
    fixed = {"task": np.array([manifest["tasks"].index("superpixel")]), "with_steps": np.array([0])}
    fixed |= {name: np.zeros(1, np.float32) for name in ("threshold", "mask_threshold")}

    def segment(image: np.ndarray, superpixels: int) -> np.ndarray:
        feeds = {"image": image[None], "superpixels": np.array([superpixels], np.int64), "grid": chosen_by_graph, **fixed}
        (labels,) = session.run(["labels"], {name: value for name, value in feeds.items() if name in declared})
        return enforce_connectivity(labels[0], minimum_area(labels[0], ratio))

    return segment


def parse_superpixels(text: str) -> list[int]:
    """Reads '50,100,200' as numbers of superpixels."""
    return [int(part) for part in text.split(",")]


def add_data_arguments(parser: argparse.ArgumentParser, superpixels: str = "K asked, comma-separated") -> None:
    """The arguments that every measuring command shares; `superpixels` is the help of --superpixels."""
    add_data_argument(parser)
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--superpixels", type=parse_superpixels, default=list(SUPERPIXELS), help=superpixels)
    parser.add_argument("--limit", type=int, help="only so many images, spread over the split")
    parser.add_argument("--workers", type=int, default=1, help="images measured at the same time")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="clustseg.evaluate", description="Measure a superpixel bundle on BSDS500.")
    parser.add_argument("--bundle", type=Path, required=True, help="folder with model.json and the graph")
    parser.add_argument("--task", choices=("superpixel",), help="of a bundle with several tasks")
    parser.add_argument("--threads", type=int, default=1, help="threads of onnxruntime")
    add_data_arguments(parser)
    options = parser.parse_args(arguments)
    dataset = bsds500_folder(options.data)

    segment = bundle_segment(options.bundle, options.threads)
    rows = evaluate_superpixels(
        segment, dataset, options.split, options.superpixels, options.limit, options.workers
    )
    print(format_table(rows))
    if options.json:
        manifest = json.loads((options.bundle / "model.json").read_text())
        report = {
            "name": f"ClustSeg ({manifest['name']} {manifest['version']})",
            "sha256": manifest["graph"]["sha256"],
            "data": "BSDS500",
            "split": options.split,
            "images": len(split_images(dataset, options.split, options.limit)),
            "rows": rows,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
