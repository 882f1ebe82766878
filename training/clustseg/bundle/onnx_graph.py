"""Building blocks of exported graphs: tracing, half-precision storage, and branches that share their weights."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence

import numpy as np
import onnx
import torch
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from clustseg.bundle.deploy import HALF_FROM

OPSET = 17


def traced(
    module: nn.Module, inputs: Sequence[Tensor], input_names: Sequence[str], output_names: Sequence[str], axes: dict[str, dict[int, str]]
) -> ModelProto:
    """The ONNX form of a module for inputs whose `axes` may have any size."""
    file = io.BytesIO()
    module.eval()  # the exporter gives back the mode that it found, to all modules inside too
    with warnings.catch_warnings(), torch.no_grad():
        # The tracer warns of every size that becomes part of the graph, which is what is wanted here.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, tuple(inputs), file, input_names=list(input_names), output_names=list(output_names), dynamic_axes=axes,
            opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    model = onnx.load_from_string(file.getvalue())
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
    return model


def prefixed(graph: GraphProto, prefix: str, outer: dict[str, str]) -> list[TensorProto]:
    """Renames all that a graph makes, so that several can lie in one model, and its inputs as `outer` says.

    Takes the weights out of the graph and returns them under names made of their content: equal weights have one name.
    Optional inputs (empty names) stay as they are.
    """
    weights: list[TensorProto] = []
    names = dict(outer)
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        content = hashlib.sha256(array.tobytes() + f"{array.dtype}{array.shape}".encode()).hexdigest()[:16]
        names[tensor.name] = f"weight_{content}"
        weights.append(numpy_helper.from_array(array, names[tensor.name]))
    del graph.initializer[:]
    for index, node in enumerate(graph.node):
        node.name = f"{prefix}{index}"
        for name in node.output:
            if name:
                names.setdefault(name, f"{prefix}{name}")
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise ValueError(f"{node.op_type} in a traced graph has a graph of its own")
    for value in graph.output:
        value.name = names.get(value.name, value.name)
    del graph.value_info[:]
    return weights


def only_outputs(graph: GraphProto, wanted: Sequence[str]) -> None:
    """Leaves these outputs, in this order."""
    by_name = {value.name: value for value in graph.output}
    del graph.output[:]
    graph.output.extend(by_name[name] for name in wanted)


def without_inputs(graph: GraphProto) -> GraphProto:
    """A branch has no inputs: it sees the names around it."""
    del graph.input[:]
    return graph


def cast_output(graph: GraphProto, name: str, kind: int) -> None:
    """An output in another type; the tracer itself knows no uint16."""
    for node in graph.node:
        node.output[:] = [f"{name}_before" if given == name else given for given in node.output]
        node.input[:] = [f"{name}_before" if given == name else given for given in node.input]
    graph.node.append(helper.make_node("Cast", [f"{name}_before"], [name], name=f"cast_{name}", to=kind))
    for value in graph.output:
        if value.name == name:
            value.type.tensor_type.elem_type = kind


def store_half(model: ModelProto) -> None:
    """Stores the large weights as fp16 with a cast to fp32 that the runtime folds at load: half the file, arithmetic in fp32."""
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


def tensor_info(name: str, kind: int, shape: Sequence[str | int | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))


def on_demand(wanted: str, made: GraphProto, name: str, kind: int, empty: np.ndarray, shape: Sequence[str | int]) -> onnx.NodeProto:
    """A node that runs the branch `made` (one output) only where the bool `wanted` is true, and else gives `empty`."""
    made.output[0].CopyFrom(tensor_info(made.output[0].name, kind, shape))
    nothing = helper.make_graph(
        [constant(f"{name}_nothing", empty)], "nothing", [], [tensor_info(f"{name}_nothing", kind, empty.shape)]
    )
    return helper.make_node("If", [wanted], [name], name=f"if_{name}", then_branch=without_inputs(made), else_branch=nothing)


def constant(name: str, value: np.ndarray) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], name=f"make_{name}", value=numpy_helper.from_array(value, name))


NO_STEPS = np.zeros((1, 0, 1, 1), np.uint16)
STEPS_SHAPE = ("N", "S", "h", "w")


def wish_for_steps() -> onnx.NodeProto:
    """Makes the bool `steps_wanted` of the input `with_steps`."""
    return helper.make_node("Cast", ["with_steps"], ["steps_wanted"], name="steps_wanted", to=TensorProto.BOOL)
