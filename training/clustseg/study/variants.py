"""Are smaller arithmetics worth it? `python -m clustseg.study.variants --bundle ../models/clustseg-superpixel`.

Builds an int8 variant of the graph (static quantisation of its convolutions, calibrated on BSDS500 train) and measures it beside
the shipped graph on val: ASA, CO and milliseconds, in turns on one thread. (fp16 arithmetic has no CPU kernels worth trying.)
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from clustseg.bundle.connectivity import enforce_connectivity, minimum_area
from clustseg.data.root import add_data_argument, existing_root
from clustseg.data.superpixel_crops import Photograph, read_bsds
from clustseg.metrics.superpixels import superpixel_metrics


def feeds_of(graph: Path, image: np.ndarray, superpixels: int) -> dict[str, np.ndarray]:
    """What the graph takes: the grid is its own choice, and a graph that can give its E-steps gives none."""
    feeds = {"image": image[None], "superpixels": np.array([superpixels]), "grid": np.zeros(2, np.int64), "with_steps": np.array([0])}
    declared = {one.name for one in onnx.load(str(graph)).graph.input}
    return {name: value for name, value in feeds.items() if name in declared}


class Calibration(CalibrationDataReader):
    """Training photographs at a spread of numbers of superpixels."""

    def __init__(self, graph: Path, photographs: list[Photograph]) -> None:
        asked = (60, 150, 300, 600, 1200)
        self.feeds = (feeds_of(graph, one.pixels, asked[index % len(asked)]) for index, one in enumerate(photographs))

    def get_next(self) -> dict | None:
        return next(self.feeds, None)


def int8_variant(graph: Path, folder: Path, photographs: list[Photograph]) -> Path:
    prepared, out = folder / "prepared.onnx", folder / "int8.onnx"
    quant_pre_process(str(graph), str(prepared), skip_symbolic_shape=True)
    convolutions = [node.name for node in onnx.load(str(prepared)).graph.node if node.op_type == "Conv"]
    quantize_static(
        str(prepared),
        str(out),
        Calibration(graph, photographs),
        quant_format=QuantFormat.QDQ,
        # Only the encoder's and the decoder's: looking around a grid is a convolution too, and must stay exact.
        nodes_to_quantize=[name for name in convolutions if "/encoder/" in name or "/decoder/" in name],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return out


def session_of(graph: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    add_data_argument(parser)
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--superpixels", type=int, default=300)
    parser.add_argument("--json", type=Path, default=Path("results/variants-superpixel.json"))
    arguments = parser.parse_args(given)
    manifest = json.loads((arguments.bundle / "model.json").read_text())
    shipped = arguments.bundle / manifest["graph"]["file"]
    with tempfile.TemporaryDirectory() as folder:
        train = read_bsds(existing_root(arguments.data) / "bsds500", "train", limit=40)
        graphs = {"fp32": shipped, "int8": int8_variant(shipped, Path(folder), train)}
        sessions = {name: session_of(graph) for name, graph in graphs.items()}
        sizes = {name: graph.stat().st_size for name, graph in graphs.items()}
    figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in sessions}
    for photograph in read_bsds(arguments.data / "bsds500", "val", limit=arguments.images):
        feeds = feeds_of(shipped, photograph.pixels, arguments.superpixels)
        for name, session in sessions.items():
            began = time.perf_counter()
            (labels,) = session.run(["labels"], feeds)
            took = time.perf_counter() - began
            smallest = minimum_area(labels[0], manifest["defaults"]["min_area_ratio"])
            measured = superpixel_metrics(enforce_connectivity(labels[0], smallest), photograph.annotations)
            figures[name].append((measured.asa, measured.co, took))
    rows = []
    for name, values in figures.items():
        asa, co, _ = np.mean(values, axis=0)
        seconds = float(np.median([value[2] for value in values]))
        rows.append({"variant": name, "asa": round(float(asa), 4), "co": round(float(co), 4), "ms": round(seconds * 1000, 1), "bytes": sizes[name]})
        print(rows[-1])
    report = {"data": "BSDS500", "split": "val", "images": arguments.images, "superpixels": arguments.superpixels, "rows": rows}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
