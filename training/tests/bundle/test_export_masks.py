"""The exported graph of the mask tasks is the PyTorch network, on all tasks, sizes and thresholds."""

import copy

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mask_cases import blobs, tiny_config, tiny_network, tiny_recipe

from clustseg.bundle.deploy import HALF_FROM, deployed
from clustseg.bundle.export_masks import agreement, build_graph, declared_tensors
from clustseg.bundle.onnx_graph import store_half
from clustseg.model.infer import NO_LABEL, MaskInference, step_labels
from clustseg.model.shared_superpixels import shared_superpixels

TASKS = ("panoptic", "instance", "semantic")


class Exported:
    def __init__(self, folder, config) -> None:
        self.recipe = tiny_recipe(config)
        self.network = deployed(tiny_network(config))
        self.network.memory.queue = self.network.memory.queue.mean(dim=1, keepdim=True)
        self.exact = copy.deepcopy(self.network).double()
        self.model = build_graph(self.network, self.recipe)
        store_half(self.model)
        onnx.checker.check_model(self.model)
        self.path = folder / "model.onnx"
        onnx.save(self.model, str(self.path))
        self.session = onnxruntime.InferenceSession(str(self.path), providers=["CPUExecutionProvider"])

    def run(self, image, task="panoptic", threshold=0.0, mask_threshold=0.0, with_steps=0) -> dict[str, np.ndarray]:
        feeds = {
            "image": image,
            "task": np.array([self.recipe.config.tasks.index(task)]),
            "threshold": np.array([threshold], np.float32),
            "mask_threshold": np.array([mask_threshold], np.float32),
            "with_steps": np.array([with_steps]),
        }
        declared = {one.name for one in self.session.get_inputs()}
        names = [one.name for one in self.session.get_outputs()]
        return dict(zip(names, self.session.run(None, {name: value for name, value in feeds.items() if name in declared})))

    def wanted(self, image, task="panoptic", threshold=0.0, mask_threshold=0.0):
        head = "semantic" if task == "semantic" else "panoptic"
        inference = MaskInference(self.exact, head, self.recipe.normalise).eval()
        with torch.no_grad():
            return inference(torch.from_numpy(image), torch.tensor([threshold]), torch.tensor([mask_threshold]))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return Exported(tmp_path_factory.mktemp("three-tasks"), tiny_config())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("size", [(72, 104), (90, 61), (33, 160)])
def test_the_graph_gives_pytorchs_labels_classes_scores_and_seeds(exported, task, size):
    image = blobs(*size, seed=sum(size))
    got, wanted = exported.run(image, task), exported.wanted(image, task)
    assert got["labels"].dtype == np.uint16 and got["labels"].shape == (1, *size)
    assert (got["labels"] == wanted.labels.numpy()).mean() >= 0.999
    assert got["class_id"].tolist() == wanted.class_id.tolist()
    np.testing.assert_allclose(got["score"], wanted.score.numpy(), atol=1e-3)
    np.testing.assert_allclose(got["seeds"], wanted.seeds.numpy(), atol=1e-5)
    clusters = got["class_id"].shape[1]
    assert clusters == 4 if task == "semantic" else clusters > 2
    assert ((got["seeds"][0, 2:] >= 0) & (got["seeds"][0, 2:] <= 1)).all() or task == "semantic"


def test_the_number_of_clusters_follows_the_scene(exported):
    counts = {exported.run(blobs(*size, seed=2))["class_id"].shape[1] for size in ((32, 32), (96, 128), (160, 200))}
    assert len(counts) == 3


def test_the_threshold_takes_pixels_from_things(exported):
    image = blobs(96, 128, seed=4)
    scores = np.sort(exported.run(image)["score"][0, 2:])
    middle = float(scores[len(scores) // 2 - 1 :][:2].mean())
    got, wanted = exported.run(image, threshold=middle), exported.wanted(image, threshold=middle)
    assert 0 < (got["score"][0, 2:] > 0).sum() < len(scores)
    assert (got["labels"] == wanted.labels.numpy()).mean() >= 0.999
    assert (got["score"][0][np.unique(got["labels"])] > 0).all()
    assert exported.run(image, threshold=1.0)["labels"].max() < 2
    assert np.array_equal(exported.run(image, "semantic", threshold=1.0)["labels"], exported.run(image, "semantic")["labels"])


@pytest.mark.parametrize("task", TASKS)
def test_the_mask_threshold_leaves_pixels_without_a_label(exported, task):
    image = blobs(96, 128, seed=5)
    best = exported.run(image, task)["score"].max()
    got, wanted = exported.run(image, task, mask_threshold=float(best)), exported.wanted(image, task, mask_threshold=float(best))
    none = got["labels"] == NO_LABEL
    assert none.any() and ((wanted.labels.numpy() == NO_LABEL) == none).mean() >= 0.999
    assert (exported.run(image, task, mask_threshold=1.0)["labels"] == NO_LABEL).mean() > 0.99


@pytest.mark.parametrize("task", TASKS)
def test_steps_are_each_e_steps_winners_and_empty_when_nobody_asks(exported, task):
    image = blobs(72, 100, seed=6)
    without, with_steps = exported.run(image, task), exported.run(image, task, with_steps=1)
    assert without["steps"].shape[1] == 0 and without["steps"].dtype == np.uint16
    frames = with_steps.pop("steps")
    assert frames.shape == (1, 3, 18, 25)  # T = 2 at stride 8, one at stride 4; seen at stride 4
    expected = step_labels(exported.wanted(image, task).clustering, 72, 100)
    assert (frames == expected.numpy()).mean() >= 0.99
    for name, value in with_steps.items():
        np.testing.assert_array_equal(value, without[name])


def test_heads_share_their_weights(exported):
    """What the branches of If have of their own is small, and the file holds each weight once, in two bytes."""

    def constants(graph) -> int:
        size = sum(len(tensor.raw_data) for tensor in graph.initializer)
        for node in graph.node:
            for attribute in node.attribute:
                size += len(attribute.t.raw_data) if attribute.HasField("t") else 0
                size += constants(attribute.g) if attribute.HasField("g") else 0
        return size

    own = [constants(attribute.g) for node in exported.model.graph.node for attribute in node.attribute if attribute.HasField("g")]
    assert len(own) >= 2 and max(own) < 8_000
    large = sum(one.numel() for one in exported.network.parameters() if one.numel() >= HALF_FROM)
    small = sum(one.numel() for one in exported.network.parameters() if one.numel() < HALF_FROM)
    weights = sum(onnx.numpy_helper.to_array(tensor).nbytes for tensor in exported.model.graph.initializer)
    # The graph has projections transposed, and constants of its own: a tenth more at most.
    assert weights < 1.1 * (2 * large + 4 * small)
    assert exported.path.stat().st_size < weights + 600_000  # the rest is nodes and names


def test_what_is_declared_is_what_the_graph_has(exported):
    declared = declared_tensors(exported.model)
    assert [one["name"] for one in declared["inputs"]] == ["image", "task", "threshold", "mask_threshold", "with_steps"]
    assert [one["name"] for one in declared["outputs"]] == ["labels", "class_id", "score", "seeds", "steps"]
    assert declared["inputs"][0] == {"name": "image", "type": "uint8", "shape": ["N", "H", "W", 3]}
    assert declared["outputs"][0] == {"name": "labels", "type": "uint16", "shape": ["N", "H", "W"]}


def test_agreement_tells_a_wrong_graph(exported):
    assert agreement(exported.network, exported.recipe, exported.path, images=2) >= 0.999
    other = deployed(tiny_network(exported.recipe.config, seed=9))
    assert agreement(other, exported.recipe, exported.path, images=1) < 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {"things": (False,) * 3, "tasks": ("semantic",)},
        {"things": (False, True), "tasks": ("instance", "panoptic"), "levels": (8, 4), "seed_stride": 8},
    ],
)
def test_a_bundle_of_one_head_has_no_task(tmp_path, changes):
    one = Exported(tmp_path, tiny_config(**changes))
    assert "task" not in {given.name for given in one.session.get_inputs()}
    image = blobs(50, 70, seed=1)
    task = changes["tasks"][0]
    got, wanted = one.run(image, task, with_steps=1), one.wanted(image, task)
    assert (got["labels"] == wanted.labels.numpy()).mean() >= 0.999
    assert got["steps"].shape == (1, 3, 13, 18)


def test_normalised_and_enlarged_pixels_reach_the_graph(tmp_path):
    config = tiny_config(things=(False, True), tasks=("instance",))
    one = Exported.__new__(Exported)
    one.recipe = tiny_recipe(config, normalise=True, upsample="pixels")
    one.network = deployed(tiny_network(config))
    one.exact = copy.deepcopy(one.network).double()
    one.model = build_graph(one.network, one.recipe)
    path = tmp_path / "model.onnx"
    onnx.save(one.model, str(path))
    one.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    image = blobs(64, 80, seed=3) // 4
    assert (one.run(image, "instance")["labels"] == one.wanted(image, "instance").labels.numpy()).mean() >= 0.999


def test_superpixels_on_the_same_trunk_are_one_more_task(tmp_path):
    recipe = tiny_recipe()
    network = deployed(tiny_network())
    torch.manual_seed(3)
    superpixels = deployed(shared_superpixels(network))
    superpixels.backbone.trunk = [network]
    path = tmp_path / "model.onnx"
    model = build_graph(network, recipe, superpixels)
    onnx.save(model, str(path))
    assert agreement(network, recipe, path, superpixels, images=3) >= 0.999
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    assert names == ["image", "task", "superpixels", "grid", "threshold", "mask_threshold", "with_steps"]
    feeds = {"image": blobs(70, 90, seed=1), "task": np.array([3]), "superpixels": np.array([9]), "grid": np.array([3, 4])}
    feeds |= {"threshold": np.zeros(1, np.float32), "mask_threshold": np.zeros(1, np.float32)}
    outputs = ["labels", "class_id", "score", "seeds", "steps"]
    labels, class_id, score, seeds, steps = session.run(outputs, {**feeds, "with_steps": np.array([1])})
    assert labels.shape == (1, 70, 90) and labels.max() < 12
    assert class_id.shape == (1, 0) and score.shape == (1, 0) and seeds.shape == (1, 12, 2)
    assert steps.shape[1] > 1 and steps.max() < 12
    assert session.run(["steps"], {**feeds, "with_steps": np.array([0])})[0].shape[1] == 0
