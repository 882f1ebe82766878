"""Exports a superpixel network as a bundle: `python -m clustseg.export --run runs/superpixel --out ../models/clustseg-superpixel`.

The bundle is model.onnx (uint8 RGB in, seed indices out, everything between in the graph) and model.json, whose contract is
layers/model/bundle.ts. Metrics are added by `python -m clustseg.card` after measuring.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch

from clustseg.bundle.deploy import deployed
from clustseg.bundle.onnx_graph import OPSET, store_half
from clustseg.bundle.superpixel_graph import superpixel_graph
from clustseg.model.grid import CELL_MULTIPLE, MAX_CELL, MIN_CELL
from clustseg.model.network import SuperpixelClustSeg, SuperpixelConfig
from clustseg.training.superpixels import MIN_AREA_RATIO

# Chosen on val by clustseg.tune: at 0.65 boundaries gain what compactness can spare.
PRECISION_SCALE = 0.65
VERSION = "1.0.0"


def load_network(run: Path, averaged: bool = True, precision_scale: float = PRECISION_SCALE) -> SuperpixelClustSeg:
    """The network of a run's checkpoint as it ships; its averaged weights by default.

    `precision_scale` multiplies the last layer's precision of positions, the exchange between accuracy and compactness.
    """
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    network = SuperpixelClustSeg(SuperpixelConfig.from_dict(saved["config"].get("network", saved["config"])))
    network.load_state_dict(saved["average" if averaged else "network"])
    with torch.no_grad():
        network.layers[-1].log_precision += math.log(precision_scale)
    return deployed(network)


def export_onnx(network: SuperpixelClustSeg, path: Path, half_weights: bool = True) -> None:
    """Writes the graph. H, W, N and K stay dynamic. `half_weights`: see onnx_graph.store_half."""
    model = superpixel_graph(network)
    if half_weights:
        store_half(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


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
        feeds = {"image": image.numpy(), "superpixels": superpixels.numpy(), "grid": grid.numpy(), "with_steps": np.array([0])}
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
                {"name": "with_steps", "type": "int64", "shape": [1]},
            ],
            "outputs": [
                {"name": "labels", "type": "uint16", "shape": ["N", "H", "W"]},
                {"name": "seeds", "type": "float32", "shape": [1, "K", 2]},
                {"name": "steps", "type": "uint16", "shape": ["N", "S", "h", "w"]},
            ],
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


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", default="as the defaults of clustseg.train", help="what a reader should know of the run")
    arguments = parser.parse_args(given)
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
