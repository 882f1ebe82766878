"""Exports a checkpoint as a bundle: `python -m clustseg.export --run runs/superpixel --out ../models/clustseg-superpixel`.

The bundle is model.onnx (uint8 RGB in, seed indices out, everything between in the graph) and model.json, whose contract is
layers/model/bundle.ts. Metrics are added by `python -m clustseg.card` after measuring.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import math
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from .deploy import HALF_FROM, deployed
from .grid import CELL_MULTIPLE, MAX_CELL, MIN_CELL
from .network import SuperpixelClustSeg, SuperpixelConfig
from .train import MIN_AREA_RATIO

OPSET = 17
# Chosen on val by clustseg.tune: at 0.65 boundaries gain what compactness can spare.
PRECISION_SCALE = 0.65
VERSION = "1.0.0"


class SuperpixelGraph(nn.Module):
    """What is traced: image uint8 [N, H, W, 3], superpixels int64 [1], grid int64 [2] -> labels int32 [N, H, W]."""

    def __init__(self, network: SuperpixelClustSeg) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, superpixels: Tensor, grid: Tensor) -> Tensor:
        return self.network.segment(image, superpixels, grid).to(torch.int32)


def load_network(run: Path, averaged: bool = True, precision_scale: float = PRECISION_SCALE) -> SuperpixelClustSeg:
    """The network of a run's checkpoint as it ships; its averaged weights by default.

    `precision_scale` multiplies the last layer's precision of positions, the exchange between accuracy and compactness.
    """
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    network = SuperpixelClustSeg(SuperpixelConfig.from_dict(saved["config"]))
    network.load_state_dict(saved["average" if averaged else "network"])
    with torch.no_grad():
        network.layers[-1].log_precision += math.log(precision_scale)
    return deployed(network)


def export_onnx(network: SuperpixelClustSeg, path: Path, half_weights: bool = True) -> None:
    """Writes the graph. H, W, N and K stay dynamic.

    `half_weights` stores the large weights as fp16 with a cast to fp32 that the runtime folds at load: half the file,
    arithmetic in fp32.
    """
    image = torch.randint(0, 256, (1, 136, 180, 3), dtype=torch.uint8)
    axes = {0: "N", 1: "H", 2: "W"}
    with warnings.catch_warnings():
        # The tracer warns of every size that becomes part of the graph, which is what is wanted here.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            SuperpixelGraph(network),
            (image, torch.tensor([40]), torch.tensor([0, 0])),
            str(path),
            input_names=["image", "superpixels", "grid"],
            output_names=["labels"],
            dynamic_axes={"image": axes, "labels": axes},
            opset_version=OPSET,
            dynamo=False,
        )
    graph = onnx.load(str(path))
    _output_as_uint16(graph)
    if half_weights:
        _store_half(graph)
    graph.doc_string = ""
    for node in graph.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(graph)
    onnx.save(graph, str(path))


def _output_as_uint16(model: onnx.ModelProto) -> None:
    """Two bytes a pixel leave the graph instead of four; the tracer itself knows no uint16."""
    graph = model.graph
    output = graph.output[0]
    for node in graph.node:
        node.output[:] = ["labels_int32" if name == output.name else name for name in node.output]
    graph.node.append(helper.make_node("Cast", ["labels_int32"], ["labels"], to=TensorProto.UINT16))
    output.type.tensor_type.elem_type = TensorProto.UINT16


def _store_half(model: onnx.ModelProto) -> None:
    graph = model.graph
    casts = []
    for index, tensor in enumerate(list(graph.initializer)):
        if tensor.data_type != TensorProto.FLOAT or int(np.prod(tensor.dims)) < HALF_FROM:
            continue
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{tensor.name}_fp16")
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], name=f"widen_{index}", to=TensorProto.FLOAT))
        graph.initializer.remove(tensor)
        graph.initializer.append(half)
    nodes = casts + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)


def agreement(network: SuperpixelClustSeg, graph: Path, images: int = 6) -> float:
    """Share of pixels to which the graph and PyTorch give the same seed, over made-up pictures of several sizes and K.

    PyTorch computes in double precision: its single precision may take short cuts in convolutions (on some CPUs it differs
    from double on 0.2 % of pixels, where the graph does on none).
    """
    import onnxruntime

    exact = copy.deepcopy(network).double()

    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    random = torch.Generator().manual_seed(0)
    same = []
    for index in range(images):
        height, width, asked = 90 + 47 * index, 330 - 31 * index, 20 * 2**index
        coarse = torch.rand((1, 3, 7, 9), generator=random) * 255
        plane = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
        noisy = (plane + torch.randn(plane.shape, generator=random) * 4).clamp(0, 255)
        image = noisy.permute(0, 2, 3, 1).to(torch.uint8)
        superpixels, grid = torch.tensor([asked]), torch.tensor([0, 0])
        feeds = {"image": image.numpy(), "superpixels": superpixels.numpy(), "grid": grid.numpy()}
        with torch.no_grad():
            wanted = exact.segment(image, superpixels, grid).numpy()
        same.append((session.run(["labels"], feeds)[0] == wanted).mean())
    return float(np.mean(same))


def bundle_manifest(graph: Path, network: SuperpixelClustSeg, minutes: float, steps: int, recipe: str) -> dict:
    """model.json without its metrics."""
    return {
        "schema": "clustseg.bundle/1",
        "name": "clustseg-superpixel",
        "version": VERSION,
        "tasks": ["superpixel"],
        "graph": {
            "file": graph.name,
            "sha256": hashlib.sha256(graph.read_bytes()).hexdigest(),
            "bytes": graph.stat().st_size,
            "precision": "fp32",
            "opset": OPSET,
            "inputs": [
                {"name": "image", "type": "uint8", "shape": ["N", "H", "W", 3]},
                {"name": "superpixels", "type": "int64", "shape": [1]},
                {"name": "grid", "type": "int64", "shape": [2]},
            ],
            "outputs": [{"name": "labels", "type": "uint16", "shape": ["N", "H", "W"]}],
        },
        "classes": [],
        "input": {
            "color": "RGB",
            "multiple": 1,
            "min_side": 1,
            "cell_size": {"min": MIN_CELL, "max": MAX_CELL, "multiple": CELL_MULTIPLE},
            # The encoder sees about a hundred pixels around each, in steps of its deepest stride.
            "tile": {"max_pixels": 1_500_000, "overlap_cells": 3, "overlap_pixels": 128, "align": network.config.deepest_stride},
        },
        "defaults": {"superpixels": 300, "min_area_ratio": MIN_AREA_RATIO},
        "training": {
            "data": "BSDS500 train, 200 images, all annotators",
            "split": "train",
            "steps": steps,
            "minutes": round(minutes, 1),
            "recipe": recipe,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "terms": "BSDS500: research and education. Encoder initialised with ImageNet weights of "
            f"{network.config.encoder} (Apache-2.0); ImageNet: non-commercial research.",
        },
        "metrics": [],
        "licence": "Apache-2.0",
        "limits": [
            "Trained on 200 photographs; other kinds of image work but are not measured.",
            "At most 65,000 superpixels an image.",
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", default="as the defaults of clustseg.train", help="what a reader should know of the run")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    saved = torch.load(arguments.run / "checkpoint.pt", map_location="cpu", weights_only=True)
    network = load_network(arguments.run)
    path = arguments.out / "model.onnx"
    export_onnx(network, path)
    same = agreement(network, path)
    if same < 0.999:
        raise SystemExit(f"the graph gives PyTorch's labels on {same:.3%} of pixels only; it should be at least 99.9 %")
    manifest = bundle_manifest(path, network, saved["seconds"] / 60, saved["step"], arguments.recipe)
    (arguments.out / "model.json").write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"{path}: {path.stat().st_size:,} bytes, {manifest['graph']['sha256'][:12]}, PyTorch's labels on {same:.4%} of pixels")


if __name__ == "__main__":
    main()
