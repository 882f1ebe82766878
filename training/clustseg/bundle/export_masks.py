"""Exports a mask network as a bundle: `python -m clustseg.export --run runs/street --out ../models/clustseg-street`.

One graph for all tasks of the bundle. Its trunk (encoder, decoder) runs always; of the heads, which differ in their initial
centres only and share their weights, the one of the task asked runs, as a branch of an ONNX `If`; the E-steps' winners are
another branch, which costs nothing while nobody asks. The contract of model.json is layers/model/bundle.ts.
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
from onnx import GraphProto, ModelProto, TensorProto, helper
from torch import Tensor, nn

from clustseg.bundle.deploy import deployed
from clustseg.bundle.export_superpixels import PRECISION_SCALE
from clustseg.bundle.onnx_graph import (
    NO_STEPS,
    OPSET,
    STEPS_SHAPE,
    cast_output,
    constant,
    on_demand,
    only_outputs,
    prefixed,
    store_half,
    tensor_info,
    traced,
    wish_for_steps,
    without_inputs,
)
from clustseg.bundle.superpixel_graph import Frames, SharedHead
from clustseg.bundle.text import bundle_manifest
from clustseg.model.infer import Chosen, MaskInference, step_labels
from clustseg.model.network import SuperpixelClustSeg, layout, whole_cells
from clustseg.model.shared_superpixels import padded, shared_superpixels, trunk_features
from clustseg.model.universal import Clustering, EStep, Pixels, UniversalClustSeg, UniversalConfig
from clustseg.training.earlier_runs import total_cost
from clustseg.training.recipes import Recipe
from clustseg.training.runs import read_mask_run

RESULTS = ("labels", "class_id", "score", "seeds")
_SHAPES = {
    "labels": (TensorProto.UINT16, ["N", "H", "W"]),
    "class_id": (TensorProto.INT64, ["N", "K"]),
    "score": (TensorProto.FLOAT, ["N", "K"]),
    "seeds": (TensorProto.FLOAT, ["N", "K", 2]),
    "steps": (TensorProto.UINT16, STEPS_SHAPE),
}


class _Prepare(nn.Module):
    """image uint8 [N, H, W, 3] -> what the trunk reads, for the mask tasks."""

    def __init__(self, inference: MaskInference) -> None:
        super().__init__()
        self.inference = inference

    def forward(self, image: Tensor) -> Tensor:
        return self.inference.prepared(image)


class _PrepareCells(nn.Module):
    """The same for superpixels: whole cells, then whole strides."""

    def __init__(self, whole: int) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, image: Tensor, superpixels: Tensor, grid: Tensor) -> Tensor:
        return padded(whole_cells(image, layout(image, superpixels, grid), torch.float32), self.whole)


class _Trunk(nn.Module):
    """planes [N, 3, H', W'] -> the encoder's features at stride 2, the decoder's by stride, then the things' maps."""

    def __init__(self, network: UniversalClustSeg) -> None:
        super().__init__()
        self.network = network

    def forward(self, planes: Tensor) -> tuple[Tensor, ...]:
        encoded = self.network.encoder(planes)
        pixels = self.network.seen(encoded, planes)
        maps = () if pixels.centre_map is None else (pixels.centre_map, pixels.offsets)
        return (encoded[2], *pixels.features.values(), *maps)


class _Head(nn.Module):
    """Features and maps, the image's size and thresholds -> results, then each E-step's query and each level's pixels."""

    def __init__(self, inference: MaskInference, strides: list[int]) -> None:
        super().__init__()
        self.inference, self.strides = inference, strides

    def forward(self, image: Tensor, threshold: Tensor, mask_threshold: Tensor, *seen: Tensor) -> tuple[Tensor, ...]:
        features = dict(zip(self.strides, seen))
        maps = seen[len(self.strides) :]
        pixels = Pixels(features, *(maps if maps else (None, None)))
        found = self.inference.head(pixels, image, threshold, mask_threshold)
        planes = {step.stride: step.pixels for step in found.clustering.steps}
        queries = (step.query for step in found.clustering.steps)
        return (found.labels, found.class_id, found.score, found.seeds, *queries, *planes.values())


class _Steps(nn.Module):
    def __init__(self, strides: list[int], zoom: tuple[int, int]) -> None:
        super().__init__()
        self.strides, self.zoom = strides, zoom

    def forward(self, image: Tensor, *given: Tensor) -> Tensor:
        queries, levels = given[: len(self.strides)], list(dict.fromkeys(self.strides))
        planes = dict(zip(levels, given[len(self.strides) :]))
        steps = [EStep(stride, query, planes[stride]) for stride, query in zip(self.strides, queries)]
        return step_labels(Clustering(steps, None, None), image.shape[1], image.shape[2], self.zoom)


def build_graph(
    network: UniversalClustSeg,
    recipe: Recipe,
    superpixels: SuperpixelClustSeg | None = None,
    chosen: Chosen = Chosen(),
    ids: Sequence[int] | None = None,
) -> ModelProto:
    """The graph of all of the recipe's tasks, fp32; with `superpixels` (on this network's trunk) of that task too, the last.
    `ids`: what class_id says of each class; default: its position."""
    config = network.config
    heads = list(dict.fromkeys("semantic" if task == "semantic" else "panoptic" for task in config.tasks))
    image = torch.randint(0, 256, (1, 72, 104, 3), dtype=torch.uint8)
    first = MaskInference(network, heads[0], recipe.normalise).eval()
    with torch.no_grad():
        planes = first.prepared(image)
        strides = list(network.see(planes).features)
        examples = _Trunk(network)(planes)
    maps = ["centre_map", "offsets"] if config.has_things else []
    seen = ["early", *(f"features_{stride}" for stride in strides), *maps]
    trunk = traced(_Trunk(network), [planes], ["planes"], seen, _spatial(["planes", *seen]))
    graph = trunk.graph
    weights = prefixed(graph, "trunk_", {name: name for name in ["planes", *seen]})
    nodes = [wish_for_steps()]
    prepare = traced(_Prepare(first), [image], ["image"], ["prepared"], _spatial(["image", "prepared"])).graph
    weights += prefixed(prepare, "prepare_", {"image": "image"})
    inferences = {
        task: MaskInference(
            network, task, recipe.normalise, "scores" if task == "semantic" else recipe.upsample, chosen, ids
        ).eval()
        for task in heads
    }
    branches = {task: _head(inferences[task], strides, image, examples, seen, weights) for task in heads}
    head = branches[heads[0]]
    if len(heads) > 1:
        nodes += _is_task("semantic", config.tasks.index("semantic"))
        head = _choice("is_semantic", branches["semantic"], branches["panoptic"], [*RESULTS, "steps"])
    if superpixels is not None:
        nodes += _is_task("superpixel", len(config.tasks))
        cells = _prepare_cells(config.deepest_stride, image, weights)
        prepare = _choice("is_superpixel", cells, without_inputs(prepare), ["prepared"])
        head = _choice("is_superpixel", _superpixel_head(superpixels, image, weights), head, [*RESULTS, "steps"])
    nodes += [*prepare.node, helper.make_node("Identity", [prepare.output[0].name], ["planes"], name="give_planes"), *graph.node]
    nodes += head.node
    nodes += [
        helper.make_node("Identity", [made.name], [name], name=f"give_{name}") for made, name in zip(head.output, [*RESULTS, "steps"])
    ]
    inputs = [tensor_info("image", TensorProto.UINT8, ["N", "H", "W", 3])]
    if len(heads) > 1 or superpixels is not None:
        inputs.append(tensor_info("task", TensorProto.INT64, [1]))
    if superpixels is not None:
        inputs += [tensor_info("superpixels", TensorProto.INT64, [1]), tensor_info("grid", TensorProto.INT64, [2])]
    inputs += [tensor_info(name, TensorProto.FLOAT, [1]) for name in ("threshold", "mask_threshold")]
    inputs.append(tensor_info("with_steps", TensorProto.INT64, [1]))
    for field in (graph.node, graph.input, graph.output):
        del field[:]
    graph.node.extend(nodes)
    graph.input.extend(inputs)
    graph.output.extend(tensor_info(name, *_SHAPES[name]) for name in [*RESULTS, "steps"])
    graph.initializer.extend({weight.name: weight for weight in weights}.values())
    graph.name = "clustseg"
    return trunk


def _is_task(task: str, index: int) -> list[onnx.NodeProto]:
    """Makes the bool `is_<task>` of the input `task`."""
    number = constant(f"{task}_task", np.array([index], np.int64))
    return [number, helper.make_node("Equal", ["task", f"{task}_task"], [f"is_{task}"], name=f"compare_{task}")]


def _choice(condition: str, then_branch: GraphProto, else_branch: GraphProto, names: list[str]) -> GraphProto:
    """A graph of one `If` over two branches with as many outputs as `names`."""
    made = [f"{condition}_{name}" for name in names]
    node = helper.make_node("If", [condition], made, name=f"{condition}_{names[0]}_if", then_branch=then_branch, else_branch=else_branch)
    outputs = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in then_branch.output]
    for value, name in zip(outputs, made):
        value.name = name
    return helper.make_graph([node], condition, [], outputs)


def _prepare_cells(whole: int, image: Tensor, weights: list[TensorProto]) -> GraphProto:
    names = ["image", "superpixels", "grid"]
    given = [image, torch.tensor([40]), torch.tensor([0, 0])]
    graph = traced(_PrepareCells(whole), given, names, ["prepared"], _spatial(["image", "prepared"])).graph
    weights += prefixed(graph, "cells_", {name: name for name in names})
    return without_inputs(graph)


def _superpixel_head(network: SuperpixelClustSeg, image: Tensor, weights: list[TensorProto]) -> GraphProto:
    """The superpixel task's branch, as _head makes those of the mask tasks."""
    given = [image, torch.tensor([40]), torch.tensor([0, 0])]
    trunk = network.backbone.trunk[0]
    module = SharedHead(network).eval()
    with torch.no_grad():
        planes = _PrepareCells(trunk.config.deepest_stride)(*given)
        early, coarse = trunk_features(trunk, planes)
        example = module(*given, planes, early, coarse)
        strides = [stride for stride, _ in network.traced(*given).steps]
    logits = [f"logits_{index}" for index in range(len(strides))]
    names = ["image", "superpixels", "grid", "planes", "early", "features_4"]
    of_image = {0: "N", 1: "H", 2: "W"}
    axes = _spatial(["image", "planes", "early", "features_4"]) | {"labels": of_image, "seeds": {1: "K"}}
    axes |= {name: {0: "N", 1: "R", 2: "C", 4: f"P{index}"} for index, name in enumerate(logits)}
    graph = traced(module, [*given, planes, early, coarse], names, [*RESULTS, "geometry", *logits], axes).graph
    cast_output(graph, "labels", TensorProto.UINT16)
    prefix = "superpixel_"
    weights += prefixed(graph, prefix, {name: name for name in names})
    only_outputs(graph, [prefix + name for name in RESULTS])
    parts = [image, *(torch.as_tensor(part) for part in example[len(RESULTS) :])]
    frames_axes = {"image": of_image, "steps": {0: "N", 1: "S", 2: "h", 3: "w"}} | {name: axes[name] for name in logits}
    steps = traced(Frames(strides), parts, ["image", "geometry", *logits], ["steps"], frames_axes).graph
    cast_output(steps, "steps", TensorProto.UINT16)
    weights += prefixed(steps, f"{prefix}steps_", {"image": "image"} | {name: prefix + name for name in ("geometry", *logits)})
    return _with_steps(graph, steps, prefix)


def _with_steps(graph: GraphProto, steps: GraphProto, prefix: str) -> GraphProto:
    """A head's branch with the steps on demand as its last output."""
    graph.node.append(on_demand("steps_wanted", steps, f"{prefix}steps", TensorProto.UINT16, NO_STEPS, STEPS_SHAPE))
    graph.output.append(tensor_info(f"{prefix}steps", TensorProto.UINT16, STEPS_SHAPE))
    for value, name in zip(graph.output, [*RESULTS, "steps"]):
        value.CopyFrom(tensor_info(value.name, *_SHAPES[name]))
    return without_inputs(graph)


def _head(
    inference: MaskInference,
    strides: list[int],
    image: Tensor,
    examples: tuple[Tensor, ...],
    seen: list[str],
    weights: list[TensorProto],
) -> GraphProto:
    """A mask task's branch with outputs <task>_labels … <task>_steps; adds its weights to `weights`."""
    task, seen, examples = inference.task, seen[1:], examples[1:]
    module = _Head(inference, strides)
    thresholds = [torch.tensor([0.5]), torch.tensor([0.1])]
    with torch.no_grad():
        example = module(image, *thresholds, *examples)
    step_strides = [step.stride for step in inference(image, *thresholds).clustering.steps]
    queries = [f"query_{index}" for index in range(len(step_strides))]
    planes = [f"pixels_{stride}" for stride in dict.fromkeys(step_strides)]
    names = ["image", "threshold", "mask_threshold", *seen]
    axes = _spatial(["image", *seen]) | {name: {0: "N", 1: "K"} for name in queries}
    axes |= {"labels": {0: "N", 1: "H", 2: "W"}, "class_id": {0: "N", 1: "K"}, "score": {0: "N", 1: "K"}, "seeds": {0: "N", 1: "K"}}
    axes |= {name: {0: "N", 2: f"h{name}", 3: f"w{name}"} for name in planes}
    model = traced(module, [image, *thresholds, *examples], names, [*RESULTS, *queries, *planes], axes)
    graph = model.graph
    cast_output(graph, "labels", TensorProto.UINT16)
    prefix = f"{task}_"
    weights += prefixed(graph, prefix, {name: name for name in names})
    only_outputs(graph, [prefix + name for name in RESULTS])
    parts = [torch.as_tensor(part) for part in example[len(RESULTS) :]]
    steps_axes = {"image": axes["image"], "steps": {0: "N", 1: "S", 2: "h", 3: "w"}} | {name: axes[name] for name in (*queries, *planes)}
    steps = traced(_Steps(step_strides, inference.network.config.zoom), [image, *parts], ["image", *queries, *planes], ["steps"], steps_axes).graph
    cast_output(steps, "steps", TensorProto.UINT16)
    weights += prefixed(steps, f"{prefix}steps_", {"image": "image"} | {name: prefix + name for name in (*queries, *planes)})
    graph.name = task
    return _with_steps(graph, steps, prefix)


def _spatial(names: list[str]) -> dict[str, dict[int, str]]:
    """Dynamic axes: "image" has its sides second and third, all else third and fourth."""
    return {name: {0: "N", 1: "H", 2: "W"} if name == "image" else {0: "N", 2: f"h_{name}", 3: f"w_{name}"} for name in names}


def load_network(run: Path) -> tuple[UniversalClustSeg, str, dict]:
    """The averaged weights of a run as they ship, the recipe's name and what else the checkpoint says."""
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    network = UniversalClustSeg(UniversalConfig.from_dict(saved["config"]["network"]))
    network.load_state_dict(saved["average"])
    # Frozen: of the class memory only the means are read.
    network.memory.queue = network.memory.queue.mean(dim=1, keepdim=True)
    return deployed(network), saved["config"]["recipe"], total_cost(run, saved)


def load_superpixels(run: Path, network: UniversalClustSeg) -> SuperpixelClustSeg:
    """What clustseg.training.shared_superpixels taught on this network's trunk, as it ships."""
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    superpixels = shared_superpixels(network)
    superpixels.load_state_dict(saved["average"])
    with torch.no_grad():
        superpixels.layers[-1].log_precision += math.log(PRECISION_SCALE)
    shipped = deployed(superpixels)
    shipped.backbone.trunk = [network]
    return shipped


def cost_of(run: Path) -> dict:
    """Steps and minutes of a run."""
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True, mmap=True)
    return {"steps": saved["step"], "minutes": saved["seconds"] / 60}


def agreement(
    network: UniversalClustSeg,
    recipe: Recipe,
    path: Path,
    superpixels: SuperpixelClustSeg | None = None,
    images: int = 5,
    chosen: Chosen = Chosen(),
) -> float:
    """Share of pixels to which the graph and PyTorch (in double precision, see export_superpixels.py) give the same cluster, over made-up
    pictures of several sizes and all tasks."""
    import onnxruntime

    exact = copy.deepcopy(network).double()
    exact_superpixels = None if superpixels is None else copy.deepcopy(superpixels).double()
    if exact_superpixels is not None:
        exact_superpixels.backbone.trunk = [exact]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    declared = {one.name for one in session.get_inputs()}
    random = torch.Generator().manual_seed(0)
    same = []
    for index in range(images):
        height, width = 90 + 37 * index, 250 - 31 * index
        coarse = torch.rand((1, 3, 7, 9), generator=random) * 255
        plane = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
        noisy = (plane + torch.randn(plane.shape, generator=random) * 4).clamp(0, 255)
        image = noisy.permute(0, 2, 3, 1).to(torch.uint8)
        for number, task in enumerate(recipe.config.tasks + (() if superpixels is None else ("superpixel",))):
            asked, grid = torch.tensor([20 * 2**index]), torch.tensor([0, 0])
            feeds = {"image": image.numpy(), "task": np.array([number]), "superpixels": asked.numpy(), "grid": grid.numpy()}
            feeds |= {"threshold": np.array([0.3], np.float32), "mask_threshold": np.array([0.2], np.float32), "with_steps": np.array([0])}
            labels = session.run(["labels"], {name: value for name, value in feeds.items() if name in declared})[0]
            if task == "superpixel":
                with torch.no_grad():
                    same.append((labels == exact_superpixels.segment(image, asked, grid).numpy()).mean())
                continue
            head = "semantic" if task == "semantic" else "panoptic"
            inference = MaskInference(exact, head, recipe.normalise, chosen=chosen).eval()
            with torch.no_grad():
                wanted = inference(image, torch.tensor([0.3]), torch.tensor([0.2])).labels
            same.append((labels == wanted.numpy()).mean())
    return float(np.mean(same))


def export_run(folder: Path, out: Path, superpixels: Path | None = None) -> dict:
    """Writes the bundle of a run, with what was chosen for it on val; returns model.json. Raises SystemExit where the graph does
    not do what PyTorch does."""
    run = read_mask_run(folder)
    network, _, about = load_network(folder)
    head = None if superpixels is None else load_superpixels(superpixels, network)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "model.onnx"
    model = build_graph(network, run.recipe, head, run.chosen, [category["id"] for category in run.text.categories])
    store_half(model)
    onnx.checker.check_model(model, full_check=False)
    onnx.save(model, str(path))
    same = agreement(network, run.recipe, path, head, chosen=run.chosen)
    if same < 0.999:
        raise SystemExit(f"the graph gives PyTorch's labels on {same:.3%} of pixels only; it should be at least 99.9 %")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    graph = {"file": path.name, "sha256": digest, "bytes": path.stat().st_size, "precision": "fp32", "opset": OPSET}
    graph |= declared_tensors(model)
    manifest = bundle_manifest(run.text, network, graph, about, None if superpixels is None else cost_of(superpixels))
    if run.calibration is not None:
        manifest["calibration"] = {name: value for name, value in run.calibration.items() if name != "step"}
    (out / "model.json").write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"{path}: {path.stat().st_size:,} bytes, {digest[:12]}, PyTorch's labels on {same:.4%} of pixels")
    return manifest


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--superpixels", type=Path, help="run of clustseg.training.shared_superpixels on this network's trunk")
    arguments = parser.parse_args(given)
    export_run(arguments.run, arguments.out, arguments.superpixels)


_TYPES = {TensorProto.UINT8: "uint8", TensorProto.UINT16: "uint16", TensorProto.INT64: "int64", TensorProto.FLOAT: "float32"}


def declared_tensors(model: ModelProto) -> dict[str, list[dict]]:
    """Inputs and outputs as model.json lists them."""

    def listed(values) -> list[dict]:
        return [
            {
                "name": value.name,
                "type": _TYPES[value.type.tensor_type.elem_type],
                "shape": [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim],
            }
            for value in values
        ]

    return {"inputs": listed(model.graph.input), "outputs": listed(model.graph.output)}


if __name__ == "__main__":
    main()
