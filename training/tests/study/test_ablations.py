"""The ablations: each row is a run of its own, which is not trained again."""

import json

import pytest
from mask_cases import tiny_config, tiny_recipe
from paper_cases import write_bsds500

from clustseg import train
from clustseg.model.encoder import EfficientNetLite
from clustseg.study import ablate_masks, ablate_superpixels


@pytest.fixture(autouse=True)
def no_imagenet(monkeypatch):
    monkeypatch.setattr(EfficientNetLite, "load_imagenet", lambda encoder: None)


def test_rows_of_the_semantic_ablation_are_trained_once(tmp_path, monkeypatch, capsys):
    config = tiny_config(things=(False,) * 4, tasks=("semantic",))
    monkeypatch.setitem(ablate_masks.RECIPES, "street", tiny_recipe(config))
    one_step = {"T = 2": ({}, None), "T = 1": ({"steps": 1}, None), "last only": ({}, 0.0)}
    monkeypatch.setattr(ablate_masks, "ROWS", one_step)
    command = ["--data", str(tmp_path), "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out" / "table.json")]
    command += ["--iterations", "1", "--images", "1", "--threads", "1"]
    ablate_masks.main(command)
    report = json.loads((tmp_path / "out" / "table.json").read_text())
    assert [row["name"] for row in report["rows"]] == list(one_step) and report["iterations"] == 1
    assert all(row["steps"] == 1 and 0 <= row["val"]["semantic_miou"] <= 1 for row in report["rows"])
    assert "| T = 1 | 0." in capsys.readouterr().out
    monkeypatch.setattr(ablate_masks, "trainer_of", lambda *given: pytest.fail("trained again"))
    ablate_masks.main(command)
    assert json.loads((tmp_path / "out" / "table.json").read_text()) == report


def test_each_row_of_the_semantic_ablation_is_the_street_recipe_but_for_a_switch():
    street = ablate_masks.RECIPES["street"]
    for row, (switches, deep_supervision) in ablate_masks.ROWS.items():
        recipe = ablate_masks.recipe_of(row)
        assert recipe.config.to_dict() == street.config.to_dict() | switches
        assert (recipe.weights == street.weights) == (deep_supervision is None)


def test_rows_of_the_superpixel_ablation_are_trained_once(tmp_path, monkeypatch, capsys):
    write_bsds500(tmp_path)
    asked = []

    def trained_here(command: list[str], check: bool) -> None:
        asked.append(command)
        given = [*command[3:], "--threads", "1", "--crop", "64", "--batch", "1"]
        train.main(given)

    monkeypatch.setattr(ablate_superpixels.subprocess, "run", trained_here)
    monkeypatch.setattr(ablate_superpixels, "ROWS", {"T = 1": ["--steps", "1"]})
    command = ["--data", str(tmp_path), "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "table.json")]
    command += ["--iterations", "1", "--images", "1", "--threads", "1"]
    ablate_superpixels.main(command)
    (row,) = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert row["name"] == "T = 1" and row["steps"] == 1 and [one["asked"] for one in row["val"]] == [100, 300, 600]
    assert "| variant | ASA / CO at K = 100 | ASA / CO at K = 300 | ASA / CO at K = 600 |" in capsys.readouterr().out
    ablate_superpixels.main(command)
    assert len(asked) == 1
