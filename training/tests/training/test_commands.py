"""One command each to train, export and evaluate, whatever the task."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mask_cases import scenes, tiny_config, tiny_network, tiny_recipe
from PIL import Image

from clustseg import evaluate, export, train
from clustseg.bundle.card_masks import main as card_masks
from clustseg.bundle.evaluate_masks import evaluate_bundle, recipe_of, table
from clustseg.bundle.export_masks import export_run
from clustseg.bundle.export_superpixels import load_network as load_superpixels
from clustseg.bundle.runtime import BundleRuntime
from clustseg.bundle.text import BundleText
from clustseg.training import runs
from clustseg.training.masks import trainer_of
from clustseg.training.superpixels import parse_arguments
from clustseg.training.superpixels import trainer_of as superpixel_trainer


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A data folder with a BSDS500 of two images."""
    root = tmp_path_factory.mktemp("data")
    for split in ("train", "val"):
        folder = root / "bsds500" / split
        (folder / "images").mkdir(parents=True)
        (folder / "labels").mkdir()
        for index in range(2):
            sample = scenes(2)[index]
            Image.fromarray(sample.image).save(folder / "images" / f"{index}.jpg")
            Image.fromarray(sample.segments.astype(np.uint8)).save(folder / "labels" / f"{index}_0.png")
    return root


def superpixel_arguments(run, data) -> list[str]:
    options = ["--batch", "1", "--crop", "64", "--from-scratch", "--evaluate-images", "1", "--threads", str(torch.get_num_threads())]
    return ["--run", str(run), "--data", str(data), "--iterations", "2", *options]


def test_superpixels_are_what_is_trained_where_no_recipe_is_given(photographs, tmp_path):
    arguments = superpixel_arguments(tmp_path, photographs)
    train.main(arguments)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 2 and [row["asked"] for row in lines[-1]["val"]] == [100, 300, 600]
    assert (tmp_path / "curves.png").exists()
    network = load_superpixels(tmp_path)
    assert network.config.steps == 3
    # A run of before, whose checkpoint has the network's configuration as it is, goes on.
    assert superpixel_trainer(parse_arguments(arguments)).step == 2
    with pytest.raises(SystemExit, match="another configuration"):
        superpixel_trainer(parse_arguments([*arguments, "--steps", "2"]))
    assert not runs.is_mask_run(tmp_path)


def test_each_recipe_has_its_options(capsys):
    for recipe, word in (("superpixel", "--smooth-l1"), ("street", "--evaluate-every"), ("photo", "--from-scratch")):
        with pytest.raises(SystemExit, match="0"):
            train.main(["--recipe", recipe, "--help"])
        assert word in capsys.readouterr().out
    train.main(["--help"])
    assert "--recipe superpixel|street|nuclei|photo" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        train.main(["--recipe", "trees"])
    assert "invalid choice: 'trees'" in capsys.readouterr().err


COMMANDS = sorted(path.stem for path in Path(evaluate.__file__).parent.glob("*.py") if "\ndef main(" in path.read_text())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_tells_what_it_does(name, capsys):
    command = importlib.import_module(f"clustseg.{name}")
    try:
        command.main(["--help"])
    except SystemExit as ended:
        assert not ended.code
    told = capsys.readouterr().out
    assert "usage:" in told and command.__doc__.split("\n")[0].split(":")[0].split("`")[0].strip() in " ".join(told.split())


def test_options_of_a_kind_are_told_with_its_folder(bundle, capsys):
    with pytest.raises(SystemExit, match="0"):
        evaluate.main(["--help", "--bundle", str(bundle)])
    assert "--mask-threshold" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        export.main(["-h"])
    told = capsys.readouterr().out
    assert "usage: clustseg.export --run RUN [-h]" in told
    assert "Further options depend on the kind of run: clustseg.export --run <folder> --help lists them." in told
    with pytest.raises(SystemExit, match="2"):
        export.main(["--out", "somewhere"])
    assert "the following arguments are required: --run" in capsys.readouterr().err


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A tiny mask run, exported."""
    folder = tmp_path_factory.mktemp("tiny")
    recipe = tiny_recipe(tiny_config())
    defaults = {"threshold": 0.05, "mask_threshold": 0.0, "overlap_threshold": 0.0, "min_area": 4}
    text = BundleText("clustseg-tiny", scenes(1).categories, "scenes", "none.", ("a limit",), defaults, {"mode": "fit", "long_side": 88})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(runs.RECIPES, "tiny", recipe)
        patch.setitem(runs.BUNDLES, "tiny", text)
        trainer_of(tiny_network(), recipe, "tiny", folder / "run", 1, 10).save()
        manifest = export_run(folder / "run", folder / "bundle")
    assert manifest["classes"] == scenes(1).categories
    return folder / "bundle"


def test_export_looks_at_what_the_run_is_of(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("clustseg.bundle.export_masks.main", lambda given: asked.append(("masks", given)))
    monkeypatch.setattr("clustseg.bundle.export_superpixels.main", lambda given: asked.append(("superpixels", given)))

    def run_of(config: dict):
        torch.save({"config": config, "step": 1}, tmp_path / "checkpoint.pt")
        export.main(["--run", str(tmp_path), "--out", "somewhere"])

    run_of({"recipe": "street", "network": {"things": [False]}})
    run_of({"recipe": "superpixel-bsds500-r50", "network": {"encoder": "resnet50"}})
    run_of({"encoder": "efficientnet-lite0"})
    given = ["--run", str(tmp_path), "--out", "somewhere"]
    assert asked == [("masks", given), ("superpixels", given), ("superpixels", given)]
    with pytest.raises(SystemExit, match="--superpixels"):
        run_of({"trunk": "photo", "network": {}})
    with pytest.raises(SystemExit, match="there is no such checkpoint"):
        export.main(["--run", str(tmp_path / "nowhere"), "--out", "somewhere"])


def test_evaluate_looks_at_the_bundles_tasks(bundle, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("clustseg.bundle.evaluate_masks.main", lambda given: asked.append("masks"))
    monkeypatch.setattr("clustseg.bundle.evaluate_superpixels.main", lambda given: asked.append("superpixels"))
    evaluate.main(["--bundle", str(bundle)])
    evaluate.main(["--bundle", str(bundle), "--task", "superpixel"])
    (tmp_path / "model.json").write_text(json.dumps({"tasks": ["superpixel"]}))
    evaluate.main(["--bundle", str(tmp_path)])
    assert asked == ["masks", "superpixels", "superpixels"]
    with pytest.raises(SystemExit, match="there is no such file"):
        evaluate.main(["--bundle", str(tmp_path / "nowhere")])


def test_a_bundle_is_measured_on_all_of_its_tasks(bundle):
    runtime = BundleRuntime(bundle)
    found = evaluate_bundle(runtime, scenes(2), runtime.tasks, counted=["ground", "disc"], groups={"scene-0": "even", "scene-1": "odd"})
    assert found["images"] == 2 and set(found["tasks"]) == {"panoptic", "instance", "semantic"}
    semantic, panoptic, instance = (found["tasks"][task] for task in ("semantic", "panoptic", "instance"))
    ious = [row["iou"] for row in semantic["rows"]]
    assert [row["class"] for row in semantic["rows"]] == ["ground", "disc"]
    assert semantic["figures"]["miou"] == pytest.approx(sum(ious) / 2, abs=1e-5)
    assert {"pq", "pq_things"} <= set(panoptic["figures"])
    assert [row["group"] for row in instance["rows"] if "group" in row] == ["even", "odd"]
    text = table(found["tasks"])
    assert "| ground |" in text and "| even | 1 |" in text


def test_figures_are_written_with_their_command_and_become_the_card(bundle, tmp_path, monkeypatch):
    sample = scenes(1)[0]
    data = tmp_path / "data"
    for index in range(6):
        (data / "images").mkdir(parents=True, exist_ok=True)
        (data / "masks").mkdir(exist_ok=True)
        Image.fromarray(sample.image).save(data / "images" / f"{index}.png")
        ids = sample.categories[sample.segments] * 100 + np.where(sample.categories[sample.segments] < 2, 0, sample.segments)
        Image.fromarray(ids.astype(np.uint16)).save(data / "masks" / f"{index}.png")
    classes = [{"name": one["name"], "isthing": one["isthing"]} for one in scenes(1).categories]
    (data / "dataset.json").write_text(json.dumps({"masks": "panoptic", "divisor": 100, "classes": classes}))
    monkeypatch.chdir(tmp_path)
    evaluate.main(["--bundle", str(bundle), "--data", "data", "--task", "semantic", "--threshold", "0.1", "--json", "out/figures.json"])
    report = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert report["images"] == 1 and report["split"] == "val" and report["data"] == "data"
    assert report["parameters"] == {"threshold": 0.1, "mask_threshold": 0.0, "overlap_threshold": 0.0, "min_area": 4}
    assert report["command"].endswith("--data data --task semantic --threshold 0.1 --json out/figures.json")
    card_masks(["--bundle", str(bundle), "--results", "out"])
    manifest = json.loads((bundle / "model.json").read_text())
    assert {row["name"] for row in manifest["metrics"]} == {"mIoU", "pixel accuracy", "mean accuracy of classes"}
    assert manifest["metrics"][0]["value"] == report["tasks"]["semantic"]["figures"]["miou"]
    assert report["command"] in (bundle / "README.md").read_text()
    (data / "dataset.json").write_text(json.dumps({"masks": "panoptic", "divisor": 100, "classes": ["a", *classes[1:]]}))
    with pytest.raises(SystemExit, match="the bundle's classes are ground, sky, disc, box; those of the data are a, sky"):
        evaluate.main(["--bundle", str(bundle), "--data", "data"])
    with pytest.raises(SystemExit, match="holds no figures of graph"):
        card_masks(["--bundle", str(bundle), "--results", "data"])


def test_bundles_that_ship_know_their_data():
    assert [recipe_of(f"clustseg-{name}")[0] for name in ("street", "nuclei", "photo")] == ["street", "nuclei", "photo"]
    assert recipe_of("my-bundle") is None
