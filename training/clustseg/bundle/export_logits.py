"""Writes a bundle's network in the form of MaskFormer, for programs that post-process such models themselves:

    python -m clustseg.bundle.export_logits --bundle ../models/clustseg-photo --out out/clustseg-photo

The folder is one of Hugging Face's (config.json, preprocessor_config.json, onnx/model.onnx); bench/panoptic-vs-transformersjs
gives it to transformers.js. The weights are the bundle's own: the graph is cut where the last E-step has its scores.

    pixel_values float [N, 3, H, W]: RGB 0..255 -> logits [N, Q, C + 1]: class, or the last for no object; pred_masks [N, Q, h, w]

With their softmax and sigmoid these become the bundle's own scores and posteriors, at the stride of the last E-step: enlarging
them, and choosing one winner a pixel, is left to the post-processing, as in MaskFormer and DETR. Scores are moved so that the
bundle's threshold lies at a half, below which "no object" is the likelier class and a mask is left out, whatever the threshold.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

# The conditions of export_masks' branches, as they are for the panoptic task.
PANOPTIC = {"is_semantic": False, "is_superpixel": False, "steps_wanted": False}

# Stuff is never left out here, as in the bundle.
_TAIL = """
maskformer (float[N,K,D] query, float[N,D,h,w] plane, int64[N,K] class_id, float[N,K] score, float[N,3,H,W] pixel_values)
    => (float[N,K,C] logits, float[N,K,h,w] pred_masks)
{
    stuff = Gather (stuff_of_id, class_id)
    at_least = Mul (stuff, just_above_half)
    passes = GreaterOrEqual (score, threshold)
    below = Mul (score, slope_below)
    shortfall = Sub (one, score)
    missing = Mul (shortfall, slope_above)
    above = Sub (one, missing)
    moved = Where (passes, above, below)
    raised = Max (moved, at_least)
    probability = Clip (raised, smallest, largest)
    yes = Log (probability)
    improbability = Sub (one, probability)
    no = Log (improbability)
    row = Gather (row_of_id, class_id)
    on_off = Constant <value_floats = [-30.0, 0.0]> ()
    chosen = OneHot (row, classes, on_off)
    is_chosen = Greater (chosen, minus_one)
    yes_column = Unsqueeze (yes, last_axis)
    of_class = Where (is_chosen, yes_column, chosen)
    no_column = Unsqueeze (no, last_axis)
    logits = Concat <axis = 2> (of_class, no_column)

    flat_shape = Constant <value_ints = [0, 0, -1]> ()
    flat = Reshape (plane, flat_shape)
    scores = MatMul (query, flat)
    is_shut = Equal (score, zero)
    shut = Cast <to = 1> (is_shut)
    penalty = Mul (shut, ten_thousand)
    penalty_column = Unsqueeze (penalty, last_axis)
    open = Sub (scores, penalty_column)
    best = ReduceMax <axes = [1]> (open)
    relative = Sub (open, best)
    weights = Exp (relative)
    centre_axis = Constant <value_ints = [1]> ()
    total = ReduceSum (weights, centre_axis)
    share = Div (weights, total)
    posterior = Clip (share, smallest, largest)
    rest = Sub (one, posterior)
    log_posterior = Log (posterior)
    log_rest = Log (rest)
    log_odds = Sub (log_posterior, log_rest)
    tall_wide = Shape <start = 2> (plane)
    queries = Shape <end = 2> (query)
    mask_shape = Concat <axis = 0> (queries, tall_wide)
    whole = Reshape (log_odds, mask_shape)
    size = Shape <start = 2> (pixel_values)
    rounded_up = Add (size, stride_less_one)
    cells = Div (rounded_up, stride)
    corner = Constant <value_ints = [0, 0]> ()
    sides = Constant <value_ints = [2, 3]> ()
    pred_masks = Slice (whole, corner, cells, sides)
}
"""


def logits_graph(model: ModelProto, classes: list[dict], threshold: float) -> ModelProto:
    """The panoptic task of a bundle's graph with `logits` and `pred_masks` instead of labels; things below `threshold` get no pixels."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes = list(chosen_branches(graph, PANOPTIC, constants))
    made = {name for node in nodes for name in node.output}
    steps = sum(name.startswith("panoptic_query_") for name in made)
    # The last E-step is at the finest of the levels.
    stride = min((int(name.rsplit("_", 1)[1]) for name in made if name.startswith("panoptic_pixels_")), default=0)
    joints = {
        "query": f"panoptic_query_{steps - 1}",
        "plane": f"panoptic_pixels_{stride}",
        "class_id": "panoptic_class_id",
        "score": "panoptic_score",
    }
    missing = set(joints.values()) - made
    if missing:
        raise ValueError(f"this graph has no panoptic task of export_masks: {', '.join(sorted(missing))} not found")
    tail = onnx.parser.parse_graph(_TAIL)
    for node in tail.node:
        node.input[:] = [joints.get(name, name) for name in node.input]
    head = helper.make_node("Transpose", ["pixel_values"], ["image"], name="give_image", perm=[0, 2, 3, 1])
    nodes = needed([head, *nodes, *tail.node], [value.name for value in tail.output])
    values = {
        "threshold": np.array([threshold], np.float32),
        "mask_threshold": np.array([0.0], np.float32),
        **_constants(classes, stride, threshold),
    }
    constants |= {name: numpy_helper.from_array(value, name) for name, value in values.items()}
    read = {name for node in nodes for name in node.input}
    pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["N", 3, "H", "W"])
    whole = helper.make_graph(nodes, "clustseg", [pixels], list(tail.output), [constants[name] for name in constants if name in read])
    made_model = helper.make_model(whole, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    onnx.checker.check_model(made_model)
    return made_model


def _constants(classes: list[dict], stride: int, threshold: float) -> dict[str, np.ndarray]:
    """What the tail reads beside the network's tensors."""
    highest = max(one["id"] for one in classes)
    row_of_id, stuff_of_id = np.zeros(highest + 1, np.int64), np.zeros(highest + 1, np.float32)
    for row, one in enumerate(classes):
        row_of_id[one["id"]], stuff_of_id[one["id"]] = row, not one["isthing"]
    numbers = {"smallest": 1e-6, "largest": 1 - 1e-6, "just_above_half": 0.51, "minus_one": -1.0, "zero": 0.0, "one": 1.0}
    numbers |= {"ten_thousand": 1e4, "slope_below": 0.5 / max(threshold, 0.01), "slope_above": 0.5 / max(1 - threshold, 0.01)}
    return {
        "row_of_id": row_of_id,
        "stuff_of_id": stuff_of_id,
        "classes": np.array(len(classes), np.int64),
        "last_axis": np.array([-1], np.int64),
        "stride": np.array([stride], np.int64),
        "stride_less_one": np.array([stride - 1], np.int64),
        **{name: np.array(value, np.float32) for name, value in numbers.items()},
    }


def chosen_branches(graph: GraphProto, conditions: dict[str, bool], constants: dict[str, TensorProto]) -> Iterable[NodeProto]:
    """The nodes of a graph with each `If` on a known condition replaced by the branch that it takes. Weights of branches go to
    `constants`."""
    constants |= {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "If" or node.input[0] not in conditions:
            yield node
            continue
        wanted = "then_branch" if conditions[node.input[0]] else "else_branch"
        branch = next(attribute.g for attribute in node.attribute if attribute.name == wanted)
        yield from chosen_branches(branch, conditions, constants)
        for value, name in zip(branch.output, node.output):
            yield helper.make_node("Identity", [value.name], [name], name=f"chosen_{name}")


def needed(nodes: list[NodeProto], outputs: Iterable[str]) -> list[NodeProto]:
    """Of nodes in order, those that the outputs depend on."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_model(arguments.bundle, arguments.out)
    print(f"{arguments.out / 'onnx' / 'model.onnx'}: {(arguments.out / 'onnx' / 'model.onnx').stat().st_size:,} bytes")


def write_model(bundle: Path, out: Path) -> None:
    """config.json last: it says of which graph this is."""
    manifest = json.loads((bundle / "model.json").read_text(encoding="utf-8"))
    if "panoptic" not in manifest["tasks"]:
        raise SystemExit(f"{manifest['name']} does {', '.join(manifest['tasks'])}; it should do panoptic")
    classes = manifest["classes"]
    model = logits_graph(onnx.load(str(bundle / manifest["graph"]["file"])), classes, manifest["defaults"]["threshold"])
    (out / "onnx").mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(out / "onnx" / "model.onnx"))
    names = [one["name"] for one in classes]
    config = {
        "model_type": "maskformer",
        "architectures": ["MaskFormerForInstanceSegmentation"],
        "id2label": dict(enumerate(names)),
        "label2id": {name: index for index, name in enumerate(names)},
        "clustseg": {"name": manifest["name"], "version": manifest["version"], "sha256": manifest["graph"]["sha256"]},
    }
    scale = manifest["input"].get("scale", {"mode": "native"})
    preprocessor = {
        "image_processor_type": "MaskFormerImageProcessor",
        "do_resize": scale["mode"] == "fit",
        "resample": 2,
        "do_rescale": False,
        "do_normalize": False,
    }
    if scale["mode"] == "fit":
        preprocessor["size"] = {"longest_edge": scale["long_side"]}
    for name, document in (("preprocessor_config.json", preprocessor), ("config.json", config)):
        (out / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
