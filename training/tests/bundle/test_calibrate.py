"""Scores as probabilities: the fit, its error, and that the exported graph has it; and the choices that follow on val."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mask_cases import blobs, scenes, tiny_config, tiny_network, tiny_recipe

from clustseg.bundle.export_masks import build_graph, load_network
from clustseg.bundle.text import BundleText
from clustseg.bundle.tune_masks import Tuner, tune, tune_run
from clustseg.calibrate import Judged, calibrate_run, calibration_error, fit_platt, fitted, platt
from clustseg.model.infer import Calibration, Chosen, MaskInference, calibrated
from clustseg.training import runs
from clustseg.training.masks import trainer_of
from clustseg.training.runs import read_mask_run


def drawn(a: float, b: float, count: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and outcomes with the chance sigmoid(a logit(score) + b)."""
    random = np.random.default_rng(seed)
    scores = random.uniform(0.1, 0.99, count)
    return scores, random.random(count) < platt(scores, (a, b))


def test_the_fit_finds_what_scores_mean():
    scores, right = drawn(0.6, -0.8)
    assert fit_platt(scores, right) == pytest.approx((0.6, -0.8), abs=0.12)


def test_few_clusters_leave_scores_nearly_as_they_are():
    scores, right = drawn(1.0, 0.0, 20, seed=3)
    assert fit_platt(scores[:3], np.array([True, False, True])) == pytest.approx((1.0, 0.0), abs=0.9)


def test_the_map_keeps_the_order_of_scores_even_where_they_mislead():
    scores, right = drawn(-2.0, 0.0)
    a, b = fit_platt(scores, right)
    assert a > 0 and (np.diff(platt(np.sort(scores), (a, b))) >= 0).all()


def test_the_calibration_error_by_hand():
    chances, right = np.array([0.95, 0.95, 0.12, 0.18]), np.array([True, False, False, False])
    assert calibration_error(chances, right) == pytest.approx(0.5 * 0.45 + 0.5 * 0.15)
    assert calibration_error(np.ones(3), np.ones(3, bool)) == 0


def test_the_error_goes_down_on_images_that_were_not_fitted_on():
    scores, right = drawn(0.5, -1.2, 600)
    result = fitted({"things": Judged(scores.tolist(), right.tolist(), (np.arange(600) % 40).tolist())})
    row = result["kinds"][0]
    assert row["clusters"] == 600 and row["right"] == int(right.sum())
    assert row["error_after"] < 0.5 * row["error_before"]
    assert result["pairs"]["semantic"] == [1.0, 0.0]


def test_a_fit_that_is_no_better_on_other_images_is_not_taken():
    scores, right = drawn(1.0, 0.0, 60, seed=1)
    result = fitted({"things": Judged(scores.tolist(), right.tolist(), list(range(60)))})
    row = result["kinds"][0]
    assert row["note"] == "no better, scores stay" and row["error_after"] == row["error_before"]
    assert result["pairs"]["things"] == [1.0, 0.0]


def test_too_little_to_fit_is_left_alone_and_said():
    row = fitted({"stuff": Judged([0.9] * 40, [True] * 40, list(range(40)))})["kinds"][0]
    assert row["note"] == "too few to fit" and row["error_after"] == row["error_before"]


def test_the_network_and_the_fit_agree_on_what_a_score_becomes():
    scores = np.array([0.0, 0.01, 0.3, 0.999, 1.0])
    got = calibrated(torch.from_numpy(scores), (0.7, -0.4)).numpy()
    assert got[0] == 0  # nothing stays nothing
    np.testing.assert_allclose(got[1:], platt(scores[1:], (0.7, -0.4)))
    assert torch.equal(calibrated(torch.tensor([0.2]), (1.0, 0.0)), torch.tensor([0.2]))


def test_a_graph_has_the_calibration_and_the_seeds_that_were_chosen(tmp_path):
    network, recipe = tiny_network(), tiny_recipe()
    chosen = Chosen(Calibration(semantic=(0.5, 0.3), stuff=(0.6, 0.2), things=(0.8, 0.9)), seed_threshold=0.55)
    path = tmp_path / "model.onnx"
    onnx.save(build_graph(network, recipe, chosen=chosen, ids=[5, 6, 70, 8]), str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    image = blobs(64, 96, seed=2)
    for task, kinds in ((0, "panoptic"), (2, "semantic")):
        feeds = {"image": image, "task": np.array([task]), "with_steps": np.array([0])}
        feeds |= {name: np.zeros(1, np.float32) for name in ("threshold", "mask_threshold")}
        score, class_id = session.run(["score", "class_id"], feeds)
        with torch.no_grad():
            zero = torch.zeros(1)
            wanted = MaskInference(network, kinds, chosen=chosen)(torch.from_numpy(image), zero, zero)
            plain = MaskInference(network, kinds)(torch.from_numpy(image), zero, zero)
        np.testing.assert_allclose(score, wanted.score.numpy(), atol=1e-4)
        assert class_id.tolist() == [[[5, 6, 70, 8][one] for one in wanted.class_id[0].tolist()]]
        if kinds == "semantic":
            torch.testing.assert_close(wanted.score, calibrated(plain.score, (0.5, 0.3)))
        else:
            assert score.shape[1] < plain.score.shape[1]  # fewer peaks are high enough
            torch.testing.assert_close(wanted.score[:, 0], calibrated(plain.score[:, 0], (0.6, 0.2)), atol=0.1, rtol=0)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of a tiny network that has begun, under a recipe of its own."""
    recipe = tiny_recipe(tiny_config(tasks=("panoptic", "semantic")))
    text = BundleText("clustseg-tiny", scenes(1).categories, "scenes", "none.", (), {
        "threshold": 0.5, "mask_threshold": 0.0, "overlap_threshold": 0.0, "min_area": 16}, {"mode": "fit", "long_side": 88})  # fmt: skip
    monkeypatch.setitem(runs.RECIPES, "tiny", recipe)
    monkeypatch.setitem(runs.BUNDLES, "tiny", text)
    trainer = trainer_of(tiny_network(recipe.config), recipe, "tiny", tmp_path, 1, 10)
    trainer.step = 7
    trainer.save()
    return tmp_path


def test_what_is_chosen_for_a_run_is_read_with_it(run):
    samples = scenes(3)
    result = calibrate_run(run, samples)
    assert {row["kind"] for row in result["kinds"]} >= {"semantic"} and result["images"] == 3
    chosen = tune_run(run, samples, {"threshold": (0.05, 0.5), "min_area": (4, 16)})
    assert chosen["calibrated"] and len(chosen["rows"]) == 4
    found = read_mask_run(run)
    assert found.text.defaults == {"overlap_threshold": 0.0, **chosen["defaults"]}
    assert found.chosen.calibration == Calibration.from_dict(result["pairs"])
    best = max(row["mean"] for row in chosen["rows"])
    assert any(row["mean"] == best and row["min_area"] == chosen["defaults"]["min_area"] for row in chosen["rows"])


def test_choices_for_another_state_of_the_run_are_refused(run):
    calibrate_run(run, scenes(1))
    path = run / "calibration.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "step": 3}))
    with pytest.raises(SystemExit, match="calibration.json: is of step 3, the checkpoint of step 7; run clustseg.calibrate again"):
        read_mask_run(run)
    path.unlink()
    (run / "chosen.json").write_text(json.dumps({"step": 7, "calibrated": True, "defaults": {}}))
    with pytest.raises(SystemExit, match="before clustseg.calibrate"):
        read_mask_run(run)


def test_a_setting_must_be_better_to_be_taken(run):
    network, _, _ = load_network(run)
    tuner = Tuner(network, read_mask_run(run), scenes(2))
    asked = []

    def figures(settings):
        asked.append([setting["threshold"] for setting in settings])
        return [{"semantic": 0.5 if setting["threshold"] != 0.4 else 0.6} for setting in settings]

    tuner.figures = figures
    start = {"seed_threshold": 0.1, "threshold": 0.5, "mask_threshold": 0.0, "min_area": 16}
    best, rows = tune(tuner, start, {"threshold": (0.3, 0.4, 0.5), "mask_threshold": (0.0, 0.5)})
    assert best == {**start, "threshold": 0.4}
    assert asked == [[0.5, 0.3, 0.4], [0.4, 0.4]] and len(rows) == 5


def test_min_area_is_tried_on_one_run_of_the_graph(run):
    network, _, _ = load_network(run)
    tuner = Tuner(network, read_mask_run(run), scenes(1))
    ran = []
    plain = tuner._run
    tuner._run = lambda *given: ran.append(given[2:]) or plain(*given)
    start = {"seed_threshold": 0.1, "threshold": 0.0, "mask_threshold": 0.0}
    small, large = tuner.figures([{**start, "min_area": 0}, {**start, "min_area": 2000}])
    assert len(ran) == 2  # semantic and panoptic
    assert small.keys() == large.keys() == {"semantic", "panoptic"}
