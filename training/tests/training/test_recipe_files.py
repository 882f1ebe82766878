"""Recipes as files: each of configs/ is read, runs two steps, and is counted; what is wrong in a file is told."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from paper_cases import write_ade20k, write_bsds500, write_coco
from torch._subclasses.fake_tensor import FakeTensorMode

from clustseg.data.fitted_crop import FittedAugment
from clustseg.evaluate_config import at_test_size
from clustseg.evaluate_config import main as evaluate
from clustseg.model.encoders import build_encoder
from clustseg.model.universal import UniversalClustSeg, UniversalConfig
from clustseg.study import flops
from clustseg.train import main
from clustseg.training.recipe_files import FileRecipe, MeasuringPlan, RecipeError, SuperpixelRecipe, dry, load_recipe, recipe_from
from clustseg.training.recipes import RECIPES

CONFIGS = Path(__file__).parents[2] / "configs"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.json"))
PANOPTIC = json.loads((CONFIGS / "panoptic-coco-r50.json").read_text())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_coco(root, images=2)
    write_ade20k(root)
    return write_bsds500(root)


def test_there_is_a_file_for_each_of_the_papers_tables():
    wanted = {f"{task}-{encoder}" for task in ("panoptic-coco", "instance-coco", "semantic-ade20k") for encoder in ("r50", "swin-b")}
    assert set(NAMES) == wanted | {"superpixel-bsds500-r50"}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_the_papers_recipe(name):
    recipe = load_recipe(CONFIGS / f"{name}.json")
    assert recipe.name == name and recipe.config.steps == 3
    assert recipe.config.similarity == "dot" and recipe.config.m_step == "sum"
    if isinstance(recipe, SuperpixelRecipe):
        assert (recipe.rate, recipe.batch, recipe.plan.iterations, recipe.crop, recipe.scale) == (1e-4, 128, 300_000, 480, (0.5, 2.0))
        assert (recipe.weights.smooth_l1, recipe.weights.slic) == (10.0, 1.0)
        # Six layers of three E-steps, each like the last.
        assert recipe.plan.workers == 8 and len(recipe.config.levels) == 6 and recipe.config.finest_steps == 3 and recipe.weights.deep_supervision == 17.0
        return
    config, semantic = recipe.config, name.startswith("semantic")
    assert isinstance(recipe, FileRecipe) and isinstance(recipe.augment, FittedAugment)
    assert (recipe.rate, recipe.batch, recipe.plan.epochs) == (1e-5, 16, 100 if semantic else 50)
    assert recipe.augment.crop == ((640, 640) if semantic else (1024, 1024))
    assert recipe.augment.scale == ((0.5, 2.0) if semantic else (0.1, 2.0))
    assert recipe.test.short_side == (640 if semantic else 800)
    assert config.axial == {32: 1, 16: 5} and config.levels[:-1] == (32, 32, 16, 16, 8, 8)
    assert config.residual == "layer" and config.positions == "sine" and config.memory_momentum == 0.999
    if semantic:
        assert (recipe.weights.cross_entropy, recipe.weights.dice) == (5.0, 1.0)
        # Together they weigh as much as there are: six layers of three E-steps, each like the last.
        assert recipe.weights.deep_supervision == 18.0
    else:
        assert config.start == "pool" and config.queries == 100
        weights = recipe.paper_weights
        if name.startswith("panoptic"):
            assert (weights.thing, weights.stuff, weights.auxiliary, weights.matching) == (5.0, 3.0, 1.0, "pq")
            assert config.auxiliary and recipe.classes == (80, 53)
        else:
            assert (weights.entropy, weights.dice, weights.auxiliary, recipe.classes) == (5.0, 2.0, 0.0, (80, 1))
    assert recipe.published.value > 40


@pytest.mark.parametrize("name", NAMES)
def test_two_steps_of_each_file_run_on_a_cpu(name, data, capsys):
    # Crops are made by another process, as in a training, or by this one.
    workers = ["--workers", "1"] if name in ("semantic-ade20k-r50", "superpixel-bsds500-r50") else []
    main(["--config", str(CONFIGS / f"{name}.json"), "--data", str(data), "--dry-run", "--device", "cpu", "--threads", "1", *workers])
    last, measured = [json.loads(line) for line in capsys.readouterr().out.splitlines()[-2:]]
    assert last["step"] == measured["step"] == 2
    assert all(np.isfinite(value) for value in last.values()) and last["loss"] > 0
    metric = {"pan": "panoptic_pq", "ins": "instance_ap", "sem": "semantic_miou"}.get(name[:3])
    assert metric in measured["val"] if metric else measured["val"][0]["asa"] > 0
    assert not Path("dry-run").exists()


def changed(path: str, value: object) -> dict:
    """PANOPTIC with the value at a path such as "network.steps"; None removes it."""
    whole = copy.deepcopy(PANOPTIC)
    *parents, key = path.split(".")
    part = whole
    for one in parents:
        part = part[one]
    part[key] = value
    if value is None:
        del part[key]
    return whole


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("netwrok", {}, "the file: there is no 'netwrok'; there are name, task, data"),
        ("network.step", 3, "network: there is no 'step'; there are attention, auxiliary, axial"),
        ("network.things", [True], "network: there is no 'things'"),
        ("training.epoch", 3, "training: there is no 'epoch'; there are balance, batch, cache"),
        ("loss.cross_entropy", 3, "loss: there is no 'cross_entropy'; there are auxiliary, classes"),
        ("augment.angle", 3, "augment: there is no 'angle'"),
        ("data.reader", "voc", "data.reader: there is no 'voc'; there are coco-panoptic"),
        ("data.classes.crowds", 1, "data.classes: there is no 'crowds'; there are things, stuff"),
        ("data.folder", None, "data has no 'folder'"),
        ("training", None, "the file has no 'training'"),
        ("training.rate", None, "training has no 'rate'"),
        ("published.metric", None, "published has no 'metric'"),
        ("task", "depth", "task: there is no 'depth'; there are panoptic, instance, semantic, superpixel"),
        ("network.steps", 3.5, "network.steps: expected int but found 3.5"),
        ("network.steps", True, "network.steps: expected int but found true"),
        ("network.levels", 8, "network.levels: expected tuple[int, ...] but found 8"),
        ("network.widths", {"a": 3}, "network.widths: expected dict[int, int]"),
        ("network.start", "grid", "start is one of peaks, pool, free, not 'grid'"),
        ("augment.crop", [64], "augment.crop: expected tuple[int, int] but found [64]"),
        ("training.rate", "fast", 'training.rate: expected float but found "fast"'),
        ("training.schedule", "linear", "there is no schedule 'linear'"),
        ("network", [], "network: expected an object but found []"),
        ("loss.matching", "greedy", "matching is 'pq' or 'mask', not 'greedy'"),
    ],
)
def test_what_is_wrong_is_told_with_what_may_stand_there(path, value, message, tmp_path):
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(changed(path, value)))
    with pytest.raises(RecipeError) as caught:
        load_recipe(file)
    assert str(caught.value).startswith(f"{file}: ") and message in str(caught.value)


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "nothing.json")
    (tmp_path / "text.json").write_text("{,}")
    with pytest.raises(RecipeError, match="is no JSON"):
        load_recipe(tmp_path / "text.json")
    with pytest.raises(RecipeError, match="expected an object"):
        recipe_from([])


def test_classes_come_from_the_data_and_must_be_as_many():
    recipe = load_recipe(CONFIGS / "panoptic-coco-r50.json")
    categories = [{"id": i, "name": str(i), "isthing": i % 3 == 0, "color": [0, 0, 0]} for i in range(133)]
    with pytest.raises(RecipeError, match="has 45 classes of things and 88 of stuff, the recipe 80 and 53"):
        recipe.for_classes(categories)
    categories = [{**one, "isthing": one["id"] >= 53} for one in categories]
    assert recipe.for_classes(categories).config.things == (False,) * 53 + (True,) * 80


def test_a_dry_recipe_is_small_and_else_the_same():
    recipe = load_recipe(CONFIGS / "panoptic-coco-swin-b.json")
    small = dry(recipe, crops=2)
    assert (small.batch, small.augment.crop, small.plan.workers, small.test.short_side) == (2, (64, 64), 0, 64)
    assert small.config == recipe.config and small.paper_weights == recipe.paper_weights


def test_images_are_measured_at_the_test_size_and_labels_come_back_to_theirs():
    seen = []

    def graph(image, task):
        seen.append(image.shape[:2])
        labels = np.zeros(image.shape[:2], np.int64)
        labels[:, image.shape[1] // 2 :] = 1
        return labels, np.array([4, 5]), np.array([0.5, 0.6])

    image = np.zeros((30, 60, 3), np.uint8)
    labels, class_id, _ = at_test_size(graph, MeasuringPlan(short_side=40))(image, "panoptic")
    at_test_size(graph, MeasuringPlan(short_side=40, long_side=50))(image, "panoptic")
    at_test_size(graph, MeasuringPlan())(image, "panoptic")
    assert seen == [(40, 80), (25, 50), (30, 60)]
    assert labels.shape == (30, 60) and (labels[:, :30] == 0).all() and (labels[:, 30:] == 1).all()
    assert class_id.tolist() == [4, 5]


def test_a_finished_run_is_measured_by_its_file(tmp_path, capsys):
    write_coco(tmp_path, images=2, things=3, stuff=2)
    from test_distributed import TINY

    whole = {**TINY, "task": "instance", "data": {**TINY["data"], "reader": "coco-instances", "classes": {"things": 3, "stuff": 1}}}
    config, run = tmp_path / "tiny.json", tmp_path / "run"
    config.write_text(json.dumps(whole))
    torch.manual_seed(0)
    network = UniversalClustSeg(recipe_from(whole).for_classes([{"isthing": False}] + [{"isthing": True}] * 3).config)
    run.mkdir()
    saved = {"config": {"network": network.config.to_dict()}, "average": network.state_dict(), "step": 7}
    torch.save(saved, run / "checkpoint.pt")
    evaluate(["--config", str(config), "--data", str(tmp_path), "--run", str(run), "--device", "cpu", "--json", str(run / "found.json")])
    found = json.loads((run / "found.json").read_text())
    assert found["steps"] == 7 and 0 <= found["instance_ap"] <= 1
    assert json.loads(capsys.readouterr().out) == found


# Multiplications with additions of one 224 x 224 image, as published: half of what is counted, which are both.
@pytest.mark.parametrize(("name", "billions"), [("resnet50", 4.09), ("swin-b-w7", 15.4)])
def test_flops_are_as_published(name, billions):
    with FakeTensorMode():
        encoder = build_encoder(name, 32).eval()
        image = torch.empty(1, 3, 224, 224)
        _, found = flops.counted(lambda: encoder(image))
    assert found / 2e9 == pytest.approx(billions, abs=0.06)


def test_flops_of_a_layer_and_parameters_by_part_are_those_of_the_sizes():
    config = UniversalConfig(
        things=(False, False), tasks=("semantic",), deepest_stride=8, widths={8: 24}, axial={}, levels=(8,), centre_channels=16, key_channels=8
    )  # fmt: skip
    row = flops.count(config, 30, 64)
    pixels, centres, depth = 4 * 8, 2, 24 + 4
    ffn, query = 2 * centres * (24 * 16 + 16 * 16), 2 * centres * (16 * 8 + 8 * 24)
    scores = 2 * centres * depth * pixels
    # One layer, the last: a single E-step, whose scores are then made once more for the result.
    assert row["flops"]["clustering"] == ffn + query + 2 * scores
    assert row["flops"]["total"] == sum(value for part, value in row["flops"].items() if part != "total")
    weights = row["parameters"]
    assert weights["starts"] == 24 * 16 + 16 + 16 * 16 + 16
    assert weights["rca"] == (16 * 8 + 8) + 24 * 8 + (24 * 16 + 16) + 1
    assert weights["total"] == sum(value.numel() for value in UniversalClustSeg(config).parameters())


def test_the_table_of_flops_is_what_the_networks_have():
    stored = json.loads((CONFIGS.parent / "results" / "flops.json").read_text())
    assert set(stored) == {*NAMES, *(f"clustseg-{name}" for name in RECIPES), "clustseg-superpixel"}
    again = "python -m clustseg.study.flops --all configs --json results/flops.json"
    assert flops.counted_file(CONFIGS / "superpixel-bsds500-r50.json") == stored["superpixel-bsds500-r50"], again
    for name, recipe in RECIPES.items():
        assert flops.count(recipe.config, *flops.SIZES[recipe.folder]) == stored[f"clustseg-{name}"], again


def test_flops_are_printed_by_part_at_the_size_asked(capsys):
    flops.main(["--config", str(CONFIGS / "semantic-ade20k-r50.json"), "--size", "64", "96"])
    printed = capsys.readouterr().out
    assert printed.startswith("semantic-ade20k-r50 on an image of 96 x 64")
    assert "parameters encoder        23.508 M" in printed
