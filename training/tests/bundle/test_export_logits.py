"""A bundle in MaskFormer's form gives the bundle's own classes, scores and posteriors."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mask_cases import CATEGORIES, scene, tiny_config, tiny_network, tiny_recipe

from clustseg.bundle.deploy import deployed
from clustseg.bundle.export_logits import PANOPTIC, chosen_branches, logits_graph, write_model
from clustseg.bundle.export_masks import build_graph
from clustseg.model.infer import MaskInference
from clustseg.model.shared_superpixels import shared_superpixels

THRESHOLD = 0.1
FORMS = {
    "several tasks": dict(tasks=("panoptic", "instance", "semantic")),
    "one head": dict(tasks=("instance", "panoptic")),
    "superpixels as well": dict(tasks=("panoptic", "semantic")),
}


@pytest.fixture(scope="module", params=FORMS)
def form(request):
    """A network, its graph, and the session of the other form."""
    network = deployed(tiny_network(tiny_config(**FORMS[request.param])))
    superpixels = shared_superpixels(network).eval() if request.param == "superpixels as well" else None
    graph = build_graph(network, tiny_recipe(network.config), superpixels)
    model = logits_graph(graph, CATEGORIES, THRESHOLD)
    return network, graph, onnxruntime.InferenceSession(model.SerializeToString())


def pixels_of(image: np.ndarray) -> np.ndarray:
    return image.transpose(2, 0, 1)[None].astype(np.float32)


def expected(network, image: np.ndarray):
    with torch.no_grad():
        given = torch.from_numpy(image)[None]
        return MaskInference(network, "panoptic").eval()(given, torch.tensor([THRESHOLD]), torch.tensor([0.0]))


def test_masks_are_the_posteriors_of_the_last_step(form):
    network, _, session = form
    image = scene(1, 70, 91).image
    found = expected(network, image)
    scores = found.clustering.steps[-1].scores().double() - 1e4 * (found.score == 0).double()[..., None, None]
    posterior = scores.softmax(dim=1).numpy()[..., :18, :23]
    (masks,) = session.run(["pred_masks"], {"pixel_values": pixels_of(image)})
    assert masks.shape == posterior.shape
    np.testing.assert_allclose(1 / (1 + np.exp(-masks)), posterior, atol=2e-3)


def moved(score: float) -> float:
    """The threshold at a half, straight lines on both sides of it."""
    return 0.5 * score / THRESHOLD if score < THRESHOLD else 1 - 0.5 * (1 - score) / (1 - THRESHOLD)


def test_class_probabilities_are_the_scores_around_the_threshold_and_stuff_is_never_left_out(form):
    network, _, session = form
    image = scene(2).image
    found = expected(network, image)
    (logits,) = session.run(["logits"], {"pixel_values": pixels_of(image)})
    assert logits.shape == (1, found.score.shape[1], len(CATEGORIES) + 1)
    probability = torch.from_numpy(logits).softmax(dim=-1)[0]
    for cluster, (category, score) in enumerate(zip(found.class_id[0].tolist(), found.score[0].tolist())):
        wanted = moved(score) if CATEGORIES[category]["isthing"] else max(moved(score), 0.51)
        assert probability[cluster, category].item() == pytest.approx(wanted, abs=2e-3)
        assert probability[cluster, -1].item() == pytest.approx(1 - wanted, abs=2e-3)


def test_both_graphs_have_the_same_winners(form):
    network, graph, session = form
    image = scene(3, 64, 96).image
    feeds = {"image": image[None], "task": np.array([0]), "with_steps": np.array([0])}
    feeds |= {"threshold": np.array([THRESHOLD], np.float32), "mask_threshold": np.array([0.0], np.float32)}
    feeds |= {"superpixels": np.array([1]), "grid": np.array([1, 1])}
    bundle = onnxruntime.InferenceSession(graph.SerializeToString())
    known = {one.name for one in bundle.get_inputs()}
    (labels,) = bundle.run(["labels"], {name: value for name, value in feeds.items() if name in known})
    (masks,) = session.run(["pred_masks"], {"pixel_values": pixels_of(image)})
    assert len(np.unique(labels)) > 2
    enlarged = torch.nn.functional.interpolate(torch.from_numpy(masks), scale_factor=4.0, mode="bilinear")
    assert (enlarged.argmax(dim=1).numpy() == labels).mean() > 0.97


def test_a_branch_that_is_not_known_stays():
    branch = onnx.parser.parse_graph("g () => (float[1] y) { y = Constant <value_floats = [1.0]> () }")
    other = onnx.parser.parse_graph("g () => (float[1] z) { z = Constant <value_floats = [2.0]> () }")
    for condition, kept in (("is_semantic", ["Constant", "Identity"]), ("is_night", ["If"])):
        node = onnx.helper.make_node("If", [condition], ["out"], then_branch=branch, else_branch=other)
        nodes = list(chosen_branches(onnx.helper.make_graph([node], "g", [], []), PANOPTIC, {}))
        assert [one.op_type for one in nodes] == kept
    assert nodes[0].output == ["out"]


def test_a_graph_without_the_task_is_refused():
    empty = onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]> g (float[1] x) => (float[1] y) { y = Identity (x) }')
    with pytest.raises(ValueError, match="no panoptic task"):
        logits_graph(empty, CATEGORIES, 0.5)


def test_the_folder_says_which_graph_it_is_of(form, tmp_path):
    _, graph, session = form
    bundle, out = tmp_path / "bundle", tmp_path / "out"
    bundle.mkdir()
    onnx.save(graph, bundle / "model.onnx")
    manifest = {
        "name": "tiny",
        "version": "1.0.0",
        "tasks": ["panoptic"],
        "graph": {"file": "model.onnx", "sha256": "0" * 64},
        "classes": CATEGORIES,
        "input": {"scale": {"mode": "fit", "long_side": 96}},
        "defaults": {"threshold": THRESHOLD},
    }
    (bundle / "model.json").write_text(json.dumps(manifest))

    write_model(bundle, out)

    config = json.loads((out / "config.json").read_text())
    assert config["clustseg"] == {"name": "tiny", "version": "1.0.0", "sha256": "0" * 64}
    assert config["id2label"] == {"0": "ground", "1": "sky", "2": "disc", "3": "box"}
    assert json.loads((out / "preprocessor_config.json").read_text())["size"] == {"longest_edge": 96}
    again = onnxruntime.InferenceSession(out / "onnx" / "model.onnx")
    feeds = {"pixel_values": pixels_of(scene(4).image)}
    np.testing.assert_array_equal(again.run(["logits"], feeds)[0], session.run(["logits"], feeds)[0])
