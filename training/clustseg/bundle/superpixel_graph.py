"""The ONNX graph of the superpixel network: labels always, the E-steps' winners when asked for (`with_steps`)."""

from __future__ import annotations

import torch
from onnx import ModelProto, TensorProto
from torch import Tensor, nn

from clustseg.bundle.onnx_graph import (
    NO_STEPS,
    STEPS_SHAPE,
    cast_output,
    on_demand,
    only_outputs,
    prefixed,
    tensor_info,
    traced,
    wish_for_steps,
)
from clustseg.model.network import SuperpixelClustSeg, SuperpixelResult, layout, numbers, result_of
from clustseg.model.shared_superpixels import cut_to


class _Whole(nn.Module):
    """image uint8 [N, H, W, 3], superpixels int64 [1], grid int64 [2] -> labels, seeds, geometry and each E-step's logits."""

    def __init__(self, network: SuperpixelClustSeg) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, superpixels: Tensor, grid: Tensor) -> tuple[Tensor, ...]:
        found = self.network.traced(image, superpixels, grid)
        return (found.labels, found.seeds(), found.geometry, *(logits for _, logits in found.steps))


class SharedHead(nn.Module):
    """The superpixel task of a mask network's graph, on the trunk's features.

    image, superpixels, grid, then planes [N, 3, H', W'] (the image resampled and padded), the encoder's features at stride 2 and
    the decoder's at 4 -> labels, no class ids and scores, seeds, geometry, each E-step's logits.
    """

    def __init__(self, network: SuperpixelClustSeg) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, image: Tensor, superpixels: Tensor, grid: Tensor, planes: Tensor, early: Tensor, coarse: Tensor
    ) -> tuple[Tensor, ...]:
        geometry = layout(image, superpixels, grid)
        rows, columns, tall, wide = numbers(geometry)
        height, width = rows * tall, columns * wide
        features = self.network.backbone.finer(planes[..., :height, :width], *cut_to(early, coarse, height, width))
        found = result_of(self.network.cluster(features, rows, columns), geometry, image)
        none = torch.zeros((1, 0), dtype=torch.int64)
        return (found.labels, none, none.to(torch.float32), found.seeds(), geometry, *(logits for _, logits in found.steps))


class Frames(nn.Module):
    def __init__(self, strides: list[int]) -> None:
        super().__init__()
        self.strides = strides

    def forward(self, image: Tensor, geometry: Tensor, *logits: Tensor) -> Tensor:
        found = SuperpixelResult(image, geometry, list(zip(self.strides, logits)))
        return found.frames(image.shape[1], image.shape[2])


def superpixel_graph(network: SuperpixelClustSeg) -> ModelProto:
    """Inputs image, superpixels, grid, with_steps; outputs labels, seeds, steps."""
    image = torch.randint(0, 256, (1, 136, 180, 3), dtype=torch.uint8)
    given = [image, torch.tensor([40]), torch.tensor([0, 0])]
    whole = _Whole(network)
    with torch.no_grad():
        example = whole(*given)
        strides = [stride for stride, _ in network.traced(*given).steps]
    logits = [f"logits_{index}" for index in range(len(strides))]
    of_image = {0: "N", 1: "H", 2: "W"}
    axes = {"image": of_image, "labels": of_image, "seeds": {1: "K"}}
    axes |= {name: {0: "N", 1: "R", 2: "C", 4: f"P{index}"} for index, name in enumerate(logits)}
    names = ["image", "superpixels", "grid"]
    model = traced(whole, given, names, ["labels", "seeds", "geometry", *logits], axes)
    frames_axes = {"image": of_image, "steps": {0: "N", 1: "S", 2: "h", 3: "w"}} | {name: axes[name] for name in logits}
    parts = [image, *(torch.as_tensor(part) for part in example[2:])]
    frames = traced(Frames(strides), parts, ["image", "geometry", *logits], ["steps"], frames_axes).graph
    cast_output(frames, "steps", TensorProto.UINT16)
    weights = prefixed(frames, "steps_", {name: name for name in ["image", "geometry", *logits]})
    graph = model.graph
    cast_output(graph, "labels", TensorProto.UINT16)
    only_outputs(graph, ["labels", "seeds"])
    graph.node.insert(0, wish_for_steps())
    graph.node.append(on_demand("steps_wanted", frames, "steps", TensorProto.UINT16, NO_STEPS, STEPS_SHAPE))
    graph.initializer.extend({weight.name: weight for weight in weights}.values())
    graph.input.append(tensor_info("with_steps", TensorProto.INT64, [1]))
    graph.output.append(tensor_info("steps", TensorProto.UINT16, STEPS_SHAPE))
    return model
