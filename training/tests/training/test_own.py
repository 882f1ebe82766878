"""Training on data of one's own: what is chosen for it, what is refused, and the tutorial from its first command to its last."""

import importlib
import json
import re
import runpy
import shlex
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mask_cases import tiny_config, tiny_network
from PIL import Image
from reader_cases import write_ids, write_image

from clustseg.bundle.card_masks import mask_card
from clustseg.bundle.runtime import BundleRuntime
from clustseg.bundle.text import BundleText
from clustseg.data.readers.any import read_any
from clustseg.data.samples import DataError, Samples, labelled_image
from clustseg.losses.mask_objective import MaskObjective
from clustseg.model.universal import UniversalClustSeg
from clustseg.own import as_begun, asked, describe, parse_arguments, start_from, with_reports, without_unused
from clustseg.own import main as own
from clustseg.training.own_recipe import (
    check,
    fitted_scale,
    in_parts,
    own_recipe,
    read_own,
    reader_options,
    smallest_area,
    survey,
    without_empty,
    write_own,
)

TRAINING = Path(__file__).parents[2]
TUTORIAL = TRAINING.parent / "docs" / "train-your-own.md"
CATEGORIES = [
    {"id": 0, "name": "background", "isthing": False, "color": [0, 0, 0]},
    {"id": 1, "name": "cell", "isthing": True, "color": [9, 9, 9]},
]


def data_of(sizes: list[tuple[int, int]], side: list[int], objects: int = 3, categories=CATEGORIES) -> Samples:
    """Images of these (height, width), each with square objects of that side."""

    def load(index: int):
        height, width = sizes[index]
        segments = np.zeros((height, width), np.int32)
        for number in range(objects):
            left = 4 + number * (side[index] + 4)
            segments[4 : 4 + side[index], left : left + side[index]] = number + 1
        return labelled_image(f"image-{index}", np.full((height, width, 3), 90, np.uint8), segments, [0] + [1] * objects)

    return Samples(categories, [f"image-{index}" for index in range(len(sizes))], load)


def planned(samples: Samples, task: str = "instance", **options):
    return own_recipe(samples, survey(samples), task, **options)


def test_a_survey_counts_objects_and_their_sizes():
    samples = data_of([(60, 120)] * 2 + [(100, 80)], [10, 20, 12])
    seen = survey(samples)
    assert seen.heights.tolist() == [60, 60, 100] and seen.long_sides.tolist() == [120, 120, 100]
    assert seen.sizes.tolist() == seen.extents.tolist() == [10] * 3 + [20] * 3 + [12] * 3
    assert seen.counts.tolist() == [3, 3, 3] and seen.around.tolist() == [120] * 6 + [100] * 3
    assert seen.pixels.tolist() == [2 * 7200 + 8000 - 3 * (100 + 400 + 144), 3 * (100 + 400 + 144)]


def test_photographs_are_scaled_to_one_long_side():
    recipe, scale, tile = planned(data_of([(900, 1200), (600, 800), (750, 1000)], [180, 120, 150]))
    assert scale == {"mode": "fit", "long_side": 512} and tile is None
    assert recipe.long_side == 512 and recipe.augment.crop == (256, 256) and recipe.batch == 4
    assert not recipe.augment.turn


def test_small_objects_in_large_images_are_seen_in_their_own_pixels_and_in_tiles():
    recipe, scale, tile = planned(data_of([(1500, 2000)] * 3, [14, 16, 18]))
    assert scale == {"mode": "native"} and tile == {"side": 512, "overlap": 64, "align": 32}
    assert recipe.config.seed_stride == 2 and recipe.config.levels == (8, 4, 2) and recipe.config.position_unit == 16
    assert recipe.augment.turn and recipe.augment.flip_vertical and recipe.long_side is None
    upright, _, _ = planned(data_of([(1500, 2000)] * 3, [14, 16, 18]), any_direction=False)
    assert not upright.augment.turn


def test_objects_of_one_size_in_images_of_many_are_a_matter_of_magnification():
    samples = data_of([(200, 200), (300, 400), (500, 500)], [30, 31, 29])
    assert fitted_scale(survey(samples), "instance") == {"mode": "native"}
    assert fitted_scale(survey(samples), "semantic")["mode"] == "fit"
    growing = data_of([(200, 200), (300, 400), (500, 500)], [30, 60, 75])
    assert fitted_scale(survey(growing), "instance") == {"mode": "fit", "long_side": 384}


def test_whoever_says_a_scale_has_it_and_large_images_their_tiles():
    land = data_of([(1500, 2000)] * 3, [300, 280, 310])
    assert planned(land, "semantic")[1:] == ({"mode": "fit", "long_side": 512}, None)
    recipe, scale, tile = planned(land, "semantic", scale="native")
    assert scale == {"mode": "native"} and tile == {"side": 512, "overlap": 64, "align": 32}
    assert recipe.long_side is None and recipe.augment.crop == (256, 256) and not recipe.augment.turn
    recipe, scale, tile = planned(land, "instance", scale=1024)
    assert recipe.long_side == 1024 and scale == {"mode": "fit", "long_side": 1024} and tile is None
    assert parse_arguments([*COMMAND, "--scale", "1024"]).scale == 1024
    for wrong in ("10", "large", "-512"):
        with pytest.raises(SystemExit, match="2"):
            parse_arguments([*COMMAND, f"--scale={wrong}"])


def test_images_that_are_seen_much_smaller_than_they_are_say_how_to_change_it():
    land = data_of([(1500, 2000)] * 3, [300, 280, 310])
    seen = survey(land)

    def told(**options) -> str:
        recipe, scale, tile = own_recipe(land, seen, "semantic", **options)
        return describe(land, land, seen, recipe, BundleText("land", CATEGORIES, "", "", (), {}, scale, tile))

    expected = "scaled to 512 px on the long side of 2000 (finer, and slower: --scale 1024, or --scale native for their own pixels)"
    assert expected in told()
    assert "--scale" not in told(scale=1024)
    assert "seen in their own pixels, larger ones in tiles of 512 px" in told(scale="native")


def test_large_images_are_judged_in_parts_that_hold_all_of_them():
    whole = data_of([(60, 100), (32, 40)], [20, 8])
    parts = in_parts(whole, 40)
    assert parts.names == ["image-0"] * 6 + ["image-1"]
    assert [one.segments.shape for one in parts] == [(40, 40), (40, 40), (40, 20), (20, 40), (20, 40), (20, 20), (32, 40)]
    assert sum((one.semantic == 1).sum() for one in parts) == sum((one.semantic == 1).sum() for one in whole)


@pytest.mark.parametrize(("side", "stride", "unit"), [(12, 2, 16.0), (50, 4, 32.0), (120, 8, 64.0)])
def test_larger_objects_have_coarser_seeds(side, stride, unit):
    recipe, _, _ = planned(data_of([(400, 480)] * 3, [side] * 3))
    assert (recipe.config.seed_stride, recipe.config.position_unit) == (stride, unit)
    assert recipe.config.seed_stride in recipe.config.widths and set(recipe.config.levels) <= set(recipe.config.widths)
    UniversalClustSeg(recipe.config)  # can be built


def test_tasks_become_those_of_the_bundle():
    samples = data_of([(200, 200)] * 3, [30] * 3)
    assert planned(samples, "instance")[0].config.tasks == ("instance", "panoptic")
    assert planned(samples, "panoptic")[0].config.tasks == ("panoptic", "instance", "semantic")
    semantic = planned(samples, "semantic")[0].config
    assert semantic.tasks == ("semantic",) and semantic.things == (False, False)


def test_crops_and_smallest_areas_follow_the_images():
    samples = data_of([(96, 128)] * 3, [12] * 3)
    recipe, scale, _ = planned(samples)
    assert recipe.augment.crop == (96, 128) and recipe.batch == 12
    assert smallest_area(survey(samples), scale) == 12 * 12 // 4
    assert planned(samples, from_scratch=True)[0].encoder_rate == 1.0


def test_what_cannot_be_learnt_is_refused_with_what_to_do():
    def refused(samples, task="instance", val=1, message=""):
        with pytest.raises(DataError, match=message):
            check(samples, samples[:val], survey(samples), task)

    few = data_of([(64, 64)] * 3, [8] * 3)
    refused(few, message=r"too few annotated images: 4 \(3 for training, 1 for val\); at least 5 are needed")
    enough = data_of([(64, 64)] * 6, [8] * 6)
    refused(enough, val=0, message="0 for val")
    unused = [*CATEGORIES, {"id": 2, "name": "debris", "isthing": True, "color": [1, 1, 1]}]
    message = "no pixel of the 6 training images is of the class debris.*--drop-empty"
    refused(data_of([(64, 64)] * 6, [8] * 6, categories=unused), message=message)
    stuff = [{**one, "isthing": False} for one in CATEGORIES]
    refused(data_of([(64, 64)] * 6, [8] * 6, objects=1, categories=stuff), message="needs a class of things.*--task semantic")
    things = [{**one, "isthing": True} for one in CATEGORIES]
    refused(data_of([(64, 64)] * 6, [8] * 6, categories=things), message="around the things")
    check(enough, enough[:1], survey(enough), "instance")


def test_objects_that_are_not_told_apart_teach_no_instances():
    def load(index: int):
        return labelled_image(f"{index}", np.zeros((8, 8, 3), np.uint8), np.eye(8), [0, 1], [False, True])

    samples = Samples(CATEGORIES, [str(index) for index in range(6)], load)
    with pytest.raises(DataError, match="--task panoptic needs objects that are told apart.*--task semantic"):
        check(samples, samples[:1], survey(samples), "panoptic")


def test_all_images_are_looked_at_before_the_training():
    def load(index: int):
        if index in (0, 2, 3, 5, 6, 7, 9):
            raise DataError(f"image {index} is broken")
        return data_of([(64, 64)] * 10, [8] * 10)[index]

    samples = Samples(CATEGORIES, [str(index) for index in range(10)], load)
    told = "\n  ".join(f"image {index} is broken" for index in (0, 2, 3, 5, 6))
    with pytest.raises(DataError, match=rf"^{told}\n  \.\.\. and 2 more such$"):
        survey(samples)
    with pytest.raises(DataError, match="^image 9 is broken$"):
        survey(samples[1:2], samples[8:])
    with pytest.raises(DataError, match="there is no image for training"):
        survey(samples[:0], samples[1:2])


def test_classes_without_pixels_can_be_left_out():
    categories = [CATEGORIES[0], {"id": 5, "name": "none", "isthing": True, "color": [0, 0, 0]}, CATEGORIES[1]]
    samples = Samples(categories, ["one"], lambda index: labelled_image("one", np.zeros((4, 4, 3), np.uint8), np.eye(4), [0, 2]))
    kept = without_empty(samples, survey(samples).pixels)
    assert [one["name"] for one in kept.categories] == ["background", "cell"]
    assert kept[0].categories.tolist() == [0, 1] and np.array_equal(kept[0].segments, np.eye(4))


@pytest.mark.parametrize(("iterations", "left"), [(0, "9.9"), (31, "3.0")])
def test_the_first_step_tells_how_long_a_step_takes_and_when_it_will_be_done(capsys, iterations, left):
    trainer = SimpleNamespace(step=0, seconds=0.0, minutes=10.0, iterations=iterations, progress=0.0)
    loss = with_reports(lambda: (torch.tensor(1.0), {}), trainer)
    loss()
    assert capsys.readouterr().out == ""

    trainer.step, trainer.seconds, trainer.progress = 1, 6.0, 0.01
    loss()
    loss()

    assert capsys.readouterr().out == f"  1%  step     1  6.0 s a step, about {left} min to go\n"


def test_weights_of_another_run_are_taken_as_far_as_they_fit(tmp_path):
    other = tiny_network(tiny_config(things=(False, True, True, True, True), centre_channels=24), seed=4)
    torch.save({"average": other.state_dict()}, tmp_path / "checkpoint.pt")
    network = tiny_network()
    head = network.state_dict()["classify.3.weight"].clone()
    taken, whole = start_from(network, tmp_path)
    assert 0.9 * whole < taken < whole
    assert torch.equal(network.state_dict()["encoder._conv_stem.weight"], other.state_dict()["encoder._conv_stem.weight"])
    assert torch.equal(network.state_dict()["classify.3.weight"], head)
    with pytest.raises(DataError, match="there is no such checkpoint"):
        start_from(network, tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--data", "empty"], "expected the folders images/ and masks/"),
        (["--data", "no-masks"], "masks"),
        (["--data", "empty", "--out", "no-masks"], "--out no-masks: is there already and is no bundle"),
        (["--data", "empty", "--device", "gpu"], "--device gpu: there is no such device"),
        (["--data", "empty", "--device", "cuda:99"], "--device cuda:99: PyTorch cannot use it here"),
    ],
)
def test_a_data_set_that_is_none_ends_in_one_clear_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "no-masks" / "images").mkdir(parents=True)
    with pytest.raises(SystemExit, match=f"clustseg.own: .*{message}"):
        own(["--task", "instance", "--out", "bundle", *arguments])


def shell_lines(text: str) -> list[str]:
    """The commands of a page's shell examples."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line]


def run_command(words: list[str], monkeypatch) -> None:
    if words[1] == "-m":
        importlib.import_module(words[2]).main(words[3:])
    else:
        monkeypatch.setattr("sys.argv", words[1:])
        runpy.run_path(str(TRAINING / words[1]), run_name="__main__")


def shape_of(line: str) -> str:
    """A line of output without what differs between two runs: numbers and digests."""
    return re.sub(r"\d+(?:[.,]\d+)*", "#", re.sub(r"\b[0-9a-f]{12}\b", "#", line)).strip()


def check_output(page: str, printed: str) -> None:
    """What the page shows below a command is what the command prints, but for its numbers."""
    lines = {re.sub(r" +", " ", shape_of(line)) for line in printed.splitlines()}
    for line in page.splitlines():
        assert line.strip() in ("", "...") or re.sub(r" +", " ", shape_of(line)) in lines, f"no longer printed: {line}"


def tutorial() -> list[tuple[list[list[str]], str]]:
    """The page's first chapter: the commands of each example, and the output that stands below them."""
    text = TUTORIAL.read_text().split("\n## ")[1]
    examples = re.findall(r"(```sh\n.*?```)(?:\n+```text\n(.*?)```)?", text, re.S)
    return [([shlex.split(line) for line in shell_lines(block)], output) for block, output in examples]


def interrupted_after(steps: int):
    """The objective, until somebody presses Ctrl-C."""
    taught, left = MaskObjective.__call__, iter(range(steps))

    def objective(*given):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return taught(*given)

    return objective


def test_the_tutorial_ends_in_a_bundle_that_finds_the_shapes(tmp_path, monkeypatch, capsys):
    (tmp_path / "training").mkdir()
    monkeypatch.chdir(tmp_path / "training")
    monkeypatch.delenv("CLUSTSEG_DATA", raising=False)
    has_node = shutil.which("node") and (TRAINING.parent / "node_modules").is_dir()
    threads = str(torch.get_num_threads())
    quick = ["--iterations", "50", "--batch", "4", "--rate", "0.004", "--threads", threads, "--licence", "CC0-1.0"]
    # The same commands on less: smaller images, a few steps.
    more = {
        "shapes.py ../shapes": ["--images", "40", "--size", "96", "72"],
        "shapes.py ../new": ["--size", "96", "72"],
        "clustseg.own": quick,
        "clustseg.evaluate": ["--json", "figures.json"],
        "clustseg segment": [],
        "clustseg export": [],
        "own-picture.mjs ../new/images": ["picture.jpg"],
    }
    given = []

    def give(words: list[str]) -> str:
        """Runs a command of the page; what it printed."""
        given.append(words[2] if words[1] == "-m" else f"{Path(words[1]).name} {words[2]}")
        whole = [*words, *more[given[-1]]]
        if words[0] == "python":
            run_command(whole, monkeypatch)
            return capsys.readouterr().out
        if not has_node:
            return ""
        program = {"npx": TRAINING.parent / "bin" / "clustseg.mjs", "node": TRAINING / words[1]}[words[0]]
        ended = subprocess.run(["node", str(program), *whole[2:]], capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    bundle = tmp_path / "my-bundle"
    for lines, output in tutorial():
        printed = ""
        for words in lines:
            if "clustseg.own" in words:
                with monkeypatch.context() as patch:
                    patch.setattr(MaskObjective, "__call__", interrupted_after(22))
                    with pytest.raises(SystemExit, match="stopped at step 22, .*; the same command goes on from here"):
                        give(words)
                assert not bundle.exists()
            printed += give(words)
        if "clustseg.own" in lines[-1]:
            assert "32 images to train on, 8 for val" in printed and "going on with runs/own-my-bundle" in printed
            assert re.findall(r"% +step +(\d+) ", printed) == ['1', '5', '10', '15', '20', '23', '25', '30', '35', '40', '45']
        if has_node or lines[-1][0] == "python":
            check_output(output, printed)
    assert set(given) == set(more)
    trained = next(words for lines, _ in tutorial() for words in lines if "clustseg.own" in words)

    manifest = json.loads((bundle / "model.json").read_text())
    assert manifest["name"] == "my-bundle" and manifest["licence"] == "CC0-1.0"
    assert [one["name"] for one in manifest["classes"]] == ["background", "disc", "square", "triangle"]
    assert manifest["tasks"] == ["panoptic", "instance", "semantic"]
    figures = {(row["at"], row["name"]): row["value"] for row in manifest["metrics"]}
    card = (bundle / "README.md").read_text()
    assert f"{figures['semantic', 'mIoU']:.4f}" in card and "CC0-1.0" in card and "## Limits" in card

    # Background everywhere has a mIoU of a quarter of its share of the pixels, and finds no shape.
    val = read_any("../shapes", "val")
    ground = np.mean([(one.semantic == 0).mean() for one in val])
    assert figures["semantic", "mIoU"] > ground / 4 + 0.15
    shapes, found = 0, 0
    runtime = BundleRuntime(bundle, threshold=0.1)
    for sample in val:
        segments = runtime.segment(sample.image, "panoptic").segments
        for index in range(1, len(sample.categories)):
            mine = np.bincount(segments[sample.segments == index] + 1)
            shapes += 1
            best = mine[1:].argmax() if len(mine) > 1 else -1
            union = ((segments == best) | (sample.segments == index)).sum()
            found += best >= 0 and mine[best + 1] > 0.5 * union
    assert found > shapes / 3

    again = json.loads(Path("figures.json").read_text())
    assert again["tasks"]["panoptic"]["figures"]["pq"] == pytest.approx(figures["panoptic", "PQ"], abs=1e-4)

    assert not {path.name for path in Path("../new/images").iterdir()} & {path.name for path in Path("../shapes/images").iterdir()}
    if has_node:
        assert Path("../found/shapes-1000.png/overlay.png").exists()
        exported = json.loads(Path("../dataset/instances.json").read_text())
        assert len(exported["images"]) == 4
        assert [one["name"] for one in exported["categories"]] == ["disc", "square", "triangle"]
        with Image.open("picture.jpg") as picture:
            assert picture.size == (1304, 488)

    assert read_own(Path("runs/own-my-bundle"))[0].batch == 4
    chosen = json.loads(Path("runs/own-my-bundle/chosen.json").read_text())["defaults"]
    assert chosen.items() <= manifest["defaults"].items()
    with pytest.raises(SystemExit, match="was begun for --task panoptic"):
        own(["--data", "../shapes", "--task", "semantic", "--out", "../my-bundle"])
    for folder in ("images", "masks"):
        shutil.copy(f"../new/{folder}/shapes-1000.png", f"../shapes/{folder}")
    with pytest.raises(SystemExit, match=r"was begun with other images \(32 and 8 for val; now 33 and 8\)"):
        run_command([*trained, *quick], monkeypatch)


def two_steps(tmp_path, monkeypatch, form: str, *options: str) -> tuple[Path, list[str]]:
    """Writes data/, ten small images in a format of shapes.py; the bundle's folder, and options that train two steps."""
    monkeypatch.chdir(tmp_path)
    run_command(["python", "examples/shapes.py", "data", "--images", "10", "--size", "96", "72", "--format", form], monkeypatch)
    quick = ["--iterations", "2", "--batch", "2", "--from-scratch", "--threads", str(torch.get_num_threads())]
    return tmp_path / "bundle", ["--task", "panoptic", "--out", "bundle", *quick, *options]


def classes_of(bundle: Path) -> list[tuple[str, bool]]:
    return [(one["name"], one["isthing"]) for one in json.loads((bundle / "model.json").read_text())["classes"]]


def check_printed_command(bundle: Path, capsys) -> None:
    """The command of the card gives the figures that stand there."""
    figures = {(row["at"], row["name"]): row for row in json.loads((bundle / "model.json").read_text())["metrics"]}
    (command,) = {row["command"] for row in figures.values()}
    assert f"Made by `{command}`" in (bundle / "README.md").read_text()
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "clustseg.evaluate"]
    capsys.readouterr()
    importlib.import_module(words[2]).main([*words[3:], "--json", "again.json"])
    again = json.loads(Path("again.json").read_text())["tasks"]["panoptic"]["figures"]
    assert again["pq"] == pytest.approx(figures["panoptic", "PQ"]["value"], abs=1e-4) and again["pq"] > 0


def test_images_elsewhere_and_stuff_are_heeded_from_the_first_step_to_the_card(tmp_path, monkeypatch, capsys):
    bundle, options = two_steps(tmp_path, monkeypatch, "coco")
    Path("data/images").rename("photos")
    given = ["--data", "data/instances.json", "--images", "photos", "--stuff", "disc", *options]
    own(given)
    assert classes_of(bundle) == [("background", False), ("disc", False), ("square", True), ("triangle", True)]
    assert "background (stuff), disc (stuff), square, triangle" in capsys.readouterr().out
    check_printed_command(bundle, capsys)
    with pytest.raises(SystemExit, match="own-bundle was begun --stuff disc, and is now given --stuff square; leave that out"):
        own([*given, "--stuff", "square"])


def test_classes_without_annotation_are_left_out_from_the_first_step_to_the_card(tmp_path, monkeypatch, capsys):
    bundle, options = two_steps(tmp_path, monkeypatch, "folder", "--drop-empty", "--scale", "native")
    described = json.loads(Path("data/dataset.json").read_text())
    described["classes"].insert(1, {"name": "nothing", "value": 9})
    for value, one in enumerate(described["classes"][2:], 1):
        one["value"] = value
    Path("data/dataset.json").write_text(json.dumps(described))
    own(["--data", "data", *options])
    assert "left out, as nothing is annotated: nothing" in capsys.readouterr().out
    assert classes_of(bundle) == [("background", False), ("disc", True), ("square", True), ("triangle", True)]
    check_printed_command(bundle, capsys)


def test_a_class_of_val_alone_is_not_left_out():
    train, val = data_of([(64, 64)] * 6, [8] * 6, objects=0), data_of([(64, 64)] * 2, [8] * 2)
    with pytest.raises(DataError, match="of cell all that is annotated lies in images of val"):
        without_unused(train, val, survey(train))
    assert [len(one.categories) for one in without_unused(train, train, survey(train))[:2]] == [1, 1]


@pytest.mark.parametrize(
    ("then", "now", "message"),
    [
        ([], ["--stuff", "cell"], "was begun without --stuff, and is now given --stuff cell"),
        (["--stuff", "sky,road"], ["--stuff", "sky"], "was begun --stuff sky,road, and is now given --stuff sky"),
        ([], ["--unlabelled", "void"], "without --unlabelled"),
        (["--images", "photos"], ["--images", "others"], "--images photos, and is now given --images others"),
        (["--batch", "4"], ["--batch", "8"], "--batch 4"),
        (["--scale", "native"], ["--scale", "512"], "--scale native, and is now given --scale 512"),
        ([], ["--rate", "0.1"], "without --rate"),
        (["--any-direction"], ["--no-any-direction"], "--any-direction, and is now given --no-any-direction"),
        ([], ["--terms", "mine"], "without --terms"),
        ([], ["--from", "runs/a"], "without --from"),
        ([], ["--from-scratch"], "without --from-scratch"),
    ],
)
def test_a_run_that_goes_on_refuses_other_options(tmp_path, then, now, message):
    begun_as(tmp_path, *then)
    with pytest.raises(DataError, match=f"{message}.*leave that out to go on with it, give another --run, or delete it"):
        as_begun(parse_arguments([*COMMAND, *now]), tmp_path)


COMMAND = ["--data", "photos", "--task", "instance", "--out", "bundle"]


def begun_as(run: Path, *options: str) -> None:
    """own.json of a run that was begun with these options."""
    arguments = parse_arguments([*COMMAND, *options])
    recipe, scale, _ = planned(data_of([(64, 64)] * 6, [8] * 6))
    text = BundleText("bundle", CATEGORIES, "photos", "none.", (), {}, scale)
    images = None if arguments.images is None else str(arguments.images)
    write_own(run, recipe, text, {"data": "photos", "images": images, "options": reader_options(arguments), "asked": asked(arguments)})


def test_a_run_that_goes_on_keeps_the_options_that_are_not_given_again(tmp_path):
    given = ["--images", "a", "--stuff", "b,c", "--batch", "3", "--no-any-direction", "--from", "runs/a", "--terms", "mine", "--drop-empty"]
    begun_as(tmp_path, *given)
    for again in ([], given, given[:4]):
        now = parse_arguments([*COMMAND, *again, "--minutes", "99"])
        assert vars(as_begun(now, tmp_path)) == vars(parse_arguments([*COMMAND, *given, "--minutes", "99"]))
    values = json.loads((tmp_path / "own.json").read_text())
    del values["asked"]  # as it was written before
    (tmp_path / "own.json").write_text(json.dumps(values))
    assert as_begun(parse_arguments([*COMMAND, "--batch", "9"]), tmp_path).stuff == ["b", "c"]
    with pytest.raises(DataError, match="--stuff b,c, and is now given --stuff b;"):
        as_begun(parse_arguments([*COMMAND, "--stuff", "b"]), tmp_path)
    with pytest.raises(DataError, match="was begun with photos; give another --run"):
        as_begun(parse_arguments(["--data", "others", *COMMAND[2:]]), tmp_path)


def test_every_command_and_description_of_the_page_is_valid(tmp_path):
    text = TUTORIAL.read_text()
    words = [shlex.split(line) for line in shell_lines(text)]
    trained = [line for line in words if line[:3] == ["python", "-m", "clustseg.own"]]
    assert len(trained) > 4
    for line in trained:
        parse_arguments(line[3:])
    described = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.S)]
    assert {one["masks"] for one in described} == {"instances", "classes", "panoptic"}
    for index, one in enumerate(described):
        root = tmp_path / str(index)
        write_image(root / "images/a.png", 2, 3)
        write_ids(root / "masks/a.png", np.zeros((2, 3)))
        (root / "dataset.json").write_text(json.dumps(one))
        assert len(read_any(root)[0].categories) == 1


@pytest.mark.parametrize(("kind", "file"), [("coco", "instances.json"), ("cvat", "annotations.xml"), ("label-studio", "label-studio.json")])
def test_the_tools_exports_of_the_shapes_are_one_data_set(tmp_path, monkeypatch, kind, file):
    for form in ("folder", kind):
        options = ["--images", "4", "--size", "96", "72", "--format", form]
        run_command(["python", "examples/shapes.py", str(tmp_path / form), *options], monkeypatch)
    plain, exported = read_any(tmp_path / "folder"), read_any(tmp_path / kind / file)
    assert [one["name"] for one in exported.categories] == [one["name"] for one in plain.categories]
    assert exported.names == plain.names
    for one, other in zip(plain, exported):
        assert sorted(one.categories) == sorted(other.categories)
        assert (one.semantic == other.semantic).mean() > 0.97  # an outline's pixels are in or out


def test_a_card_says_how_images_are_seen():
    training = {"parameters": 5, "data": "x", "steps": 1, "minutes": 0.1, "terms": "none"}
    manifest = {
        "name": "n", "version": "1.0.0", "tasks": ["instance"], "classes": CATEGORIES, "training": training, "licence": "CC0", "limits": ["L"],
        "graph": {"bytes": 1e6, "precision": "fp32"}, "input": {"scale": {"mode": "native"}, "mask_tile": {"side": 512, "overlap": 64}},
    }  # fmt: skip
    card = mask_card(manifest, [])
    assert "seen in their own pixels, larger ones in tiles of 512 pixels that overlap by 64" in card
    assert "background (stuff), cell" in card
