"""Exports a mask network as a bundle: `python -m clustseg.export_masks --run runs/street --out ../models/clustseg-street`.

One graph for all tasks of the bundle. Its trunk (encoder, decoder) runs always; of the heads, which differ in their initial
centres only and share their weights, the one of the task asked runs, as a branch of an ONNX `If`; the E-steps' winners are
another branch, which costs nothing while nobody asks. The contract of model.json is layers/model/bundle.ts.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto, TensorProto, helper
from torch import Tensor, nn

from .bundles import BUNDLES, bundle_manifest
from .deploy import deployed
from .infer import MaskInference, step_labels
from .onnx_graph import OPSET, cast_output, only_outputs, prefixed, store_half, tensor_info, traced, without_inputs
from .recipes import RECIPES, Recipe
from .universal import Clustering, EStep, Pixels, UniversalClustSeg, UniversalConfig

RESULTS = ("labels", "class_id", "score", "seeds")
_SHAPES = {
    "labels": (TensorProto.UINT16, ["N", "H", "W"]),
    "class_id": (TensorProto.INT64, ["N", "K"]),
    "score": (TensorProto.FLOAT, ["N", "K"]),
    "seeds": (TensorProto.FLOAT, ["N", "K", 2]),
    "steps": (TensorProto.UINT16, ["N", "S", "h", "w"]),
}


class _Trunk(nn.Module):
    def __init__(self, inference: MaskInference) -> None:
        super().__init__()
        self.inference = inference

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        pixels = self.inference.network.see(self.inference.prepared(image))
        maps = () if pixels.centre_map is None else (pixels.centre_map, pixels.offsets)
        return (*pixels.features.values(), *maps)


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
    def __init__(self, strides: list[int]) -> None:
        super().__init__()
        self.strides = strides

    def forward(self, image: Tensor, *given: Tensor) -> Tensor:
        queries, levels = given[: len(self.strides)], list(dict.fromkeys(self.strides))
        planes = dict(zip(levels, given[len(self.strides) :]))
        steps = [EStep(stride, query, planes[stride]) for stride, query in zip(self.strides, queries)]
        return step_labels(Clustering(steps, None, None), image.shape[1], image.shape[2])


def build_graph(network: UniversalClustSeg, recipe: Recipe) -> ModelProto:
    """The graph of all of the recipe's tasks, fp32."""
    config = network.config
    heads = list(dict.fromkeys("semantic" if task == "semantic" else "panoptic" for task in config.tasks))
    image = torch.randint(0, 256, (1, 72, 104, 3), dtype=torch.uint8)
    first = MaskInference(network, heads[0], recipe.normalise).eval()
    with torch.no_grad():
        strides = list(network.see(first.prepared(image)).features)
    maps = ["centre_map", "offsets"] if config.has_things else []
    seen = [f"features_{stride}" for stride in strides] + maps
    trunk = traced(_Trunk(first), [image], ["image"], seen, _spatial(["image"], seen))
    weights = prefixed(trunk.graph, "trunk_", {"image": "image"} | {name: name for name in seen})
    with torch.no_grad():
        examples = _Trunk(first)(image)
    branches = {}
    for task in heads:
        branch, of_branch = _head(network, recipe, task, strides, image, examples, seen)
        branches[task] = branch
        weights += of_branch
    graph = trunk.graph
    del graph.output[:]
    inputs = [tensor_info("image", TensorProto.UINT8, ["N", "H", "W", 3])]
    if len(heads) > 1:
        inputs.append(tensor_info("task", TensorProto.INT64, [1]))
        which = config.tasks.index("semantic")
        graph.node.append(_constant("semantic_task", np.array([which], np.int64)))
        graph.node.append(helper.make_node("Equal", ["task", "semantic_task"], ["is_semantic"], name="compare_task"))
        graph.node.append(
            helper.make_node(
                "If", ["is_semantic"], [*RESULTS, "steps"], name="head", then_branch=branches["semantic"], else_branch=branches["panoptic"]
            )
        )
    else:
        graph.node.extend(branches[heads[0]].node)
        graph.node.extend(
            helper.make_node("Identity", [value.name], [name], name=f"give_{name}")
            for value, name in zip(branches[heads[0]].output, [*RESULTS, "steps"])
        )
    inputs += [tensor_info(name, TensorProto.FLOAT, [1]) for name in ("threshold", "mask_threshold")]
    inputs.append(tensor_info("with_steps", TensorProto.INT64, [1]))
    del graph.input[:]
    graph.input.extend(inputs)
    graph.output.extend(tensor_info(name, *_SHAPES[name]) for name in [*RESULTS, "steps"])
    graph.initializer.extend({weight.name: weight for weight in weights}.values())
    # Branches see what is made before them, so casts and constants come first: the nodes are in order as they stand.
    graph.node.insert(0, helper.make_node("Cast", ["with_steps"], ["steps_wanted"], name="steps_wanted", to=TensorProto.BOOL))
    graph.name = "clustseg"
    return trunk


def _head(network, recipe, task, strides, image, examples, seen):
    """A task's branch with outputs <task>_labels … <task>_steps, and its weights."""
    inference = MaskInference(network, task, recipe.normalise, "scores" if task == "semantic" else recipe.upsample).eval()
    module = _Head(inference, strides)
    thresholds = [torch.tensor([0.5]), torch.tensor([0.1])]
    with torch.no_grad():
        example = module(image, *thresholds, *examples)
    step_strides = [step.stride for step in inference(image, *thresholds).clustering.steps]
    queries = [f"query_{index}" for index in range(len(step_strides))]
    planes = [f"pixels_{stride}" for stride in dict.fromkeys(step_strides)]
    names = ["image", "threshold", "mask_threshold", *seen]
    axes = _spatial(["image", *seen], []) | {name: {0: "N", 1: "K"} for name in queries}
    axes |= {"labels": {0: "N", 1: "H", 2: "W"}, "class_id": {0: "N", 1: "K"}, "score": {0: "N", 1: "K"}, "seeds": {0: "N", 1: "K"}}
    axes |= {name: {0: "N", 2: f"h{name}", 3: f"w{name}"} for name in planes}
    model = traced(module, [image, *thresholds, *examples], names, [*RESULTS, *queries, *planes], axes)
    graph = model.graph
    cast_output(graph, "labels", TensorProto.UINT16)
    prefix = f"{task}_"
    weights = prefixed(graph, prefix, {name: name for name in names})
    only_outputs(graph, [prefix + name for name in RESULTS])
    parts = [torch.as_tensor(part) for part in example[len(RESULTS) :]]
    steps_axes = {"image": axes["image"], "steps": {0: "N", 1: "S", 2: "h", 3: "w"}} | {name: axes[name] for name in (*queries, *planes)}
    steps = traced(_Steps(step_strides), [image, *parts], ["image", *queries, *planes], ["steps"], steps_axes).graph
    cast_output(steps, "steps", TensorProto.UINT16)
    weights += prefixed(steps, f"{prefix}steps_", {"image": "image"} | {name: prefix + name for name in (*queries, *planes)})
    made = steps.output[0].name
    none = helper.make_graph(
        [_constant(f"{prefix}no_steps", np.zeros((1, 0, 1, 1), np.uint16))], "no_steps", [],
        [tensor_info(f"{prefix}no_steps", TensorProto.UINT16, [1, 0, 1, 1])],
    )  # fmt: skip
    steps.output[0].CopyFrom(tensor_info(made, TensorProto.UINT16, ["N", "S", "h", "w"]))
    graph.node.append(
        helper.make_node("If", ["steps_wanted"], [f"{prefix}steps"], name=f"{prefix}if_steps", then_branch=without_inputs(steps), else_branch=none)
    )
    graph.output.append(tensor_info(f"{prefix}steps", TensorProto.UINT16, ["N", "S", "h", "w"]))
    for value, name in zip(graph.output, [*RESULTS, "steps"]):
        value.CopyFrom(tensor_info(value.name, *_SHAPES[name]))
    graph.name = task
    return without_inputs(graph), weights


def _spatial(images: list[str], planes: list[str]) -> dict[str, dict[int, str]]:
    """Dynamic axes: "image" has its sides second and third, features third and fourth."""
    axes = {"image": {0: "N", 1: "H", 2: "W"}}
    for name in [*images, *planes]:
        if name != "image":
            axes[name] = {0: "N", 2: f"h_{name}", 3: f"w_{name}"}
    return axes


def _constant(name: str, value: np.ndarray) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], name=f"make_{name}", value=onnx.numpy_helper.from_array(value, name))


def load_network(run: Path) -> tuple[UniversalClustSeg, str, dict]:
    """The averaged weights of a run as they ship, the recipe's name and what else the checkpoint says."""
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    network = UniversalClustSeg(UniversalConfig.from_dict(saved["config"]["network"]))
    network.load_state_dict(saved["average"])
    # Frozen: of the class memory only the means are read.
    network.memory.queue = network.memory.queue.mean(dim=1, keepdim=True)
    about = {"minutes": saved["seconds"] / 60, "steps": saved["step"]}
    return deployed(network), saved["config"]["recipe"], about


def agreement(network: UniversalClustSeg, recipe: Recipe, path: Path, images: int = 5) -> float:
    """Share of pixels to which the graph and PyTorch (in double precision, see export.py) give the same cluster, over made-up
    pictures of several sizes and all tasks."""
    import onnxruntime

    exact = copy.deepcopy(network).double()
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
        for number, task in enumerate(recipe.config.tasks):
            feeds = {"image": image.numpy(), "task": np.array([number])}
            feeds |= {"threshold": np.array([0.3], np.float32), "mask_threshold": np.array([0.2], np.float32), "with_steps": np.array([0])}
            labels = session.run(["labels"], {name: value for name, value in feeds.items() if name in declared})[0]
            inference = MaskInference(exact, "semantic" if task == "semantic" else "panoptic", recipe.normalise).eval()
            with torch.no_grad():
                wanted = inference(image, torch.tensor([0.3]), torch.tensor([0.2])).labels
            same.append((labels == wanted.numpy()).mean())
    return float(np.mean(same))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    network, name, about = load_network(arguments.run)
    recipe = RECIPES[name]
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "model.onnx"
    model = build_graph(network, recipe)
    store_half(model)
    onnx.checker.check_model(model, full_check=False)
    onnx.save(model, str(path))
    same = agreement(network, recipe, path)
    if same < 0.999:
        raise SystemExit(f"the graph gives PyTorch's labels on {same:.3%} of pixels only; it should be at least 99.9 %")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    graph = {"file": path.name, "sha256": digest, "bytes": path.stat().st_size, "precision": "fp32", "opset": OPSET}
    graph |= declared_tensors(model)
    manifest = bundle_manifest(BUNDLES[name], network, graph, about)
    (arguments.out / "model.json").write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"{path}: {path.stat().st_size:,} bytes, {digest[:12]}, PyTorch's labels on {same:.4%} of pixels")


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
