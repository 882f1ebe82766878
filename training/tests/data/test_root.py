"""The folder of the data sets: where it is looked for, and what is said when it is not there."""

import argparse
from pathlib import Path

import pytest

from clustseg.data.root import add_data_argument, bsds500_folder, recipe_folder
from clustseg.training.masks import main as train_masks
from clustseg.training.superpixels import main as train_superpixels


def parsed(given: list[str]) -> Path:
    parser = argparse.ArgumentParser()
    add_data_argument(parser)
    return parser.parse_args(given).data


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLUSTSEG_DATA", raising=False)
    return tmp_path


def test_the_root_is_the_option_else_the_variable_else_the_folder_data(here, monkeypatch):
    assert parsed([]) == Path("data")
    monkeypatch.setenv("CLUSTSEG_DATA", "variable")
    assert parsed([]) == Path("variable")
    assert parsed(["--data", "option"]) == Path("option")


@pytest.mark.parametrize("given", [[], ["--data", "data"]])
def test_a_root_that_is_not_there_ends_in_what_to_do(here, given):
    message = "^data: there is no such folder; set CLUSTSEG_DATA or give --data, the folder of the data sets$"
    for command in (train_masks, train_superpixels):
        recipe = ["--recipe", "street"] if command is train_masks else []
        with pytest.raises(SystemExit, match=message):
            command([*recipe, "--run", "run", "--from-scratch", "--threads", "1", *given])


def test_superpixels_are_measured_below_the_root_or_in_the_folder_of_bsds500_itself(here):
    (here / "data" / "bsds500" / "test").mkdir(parents=True)
    assert bsds500_folder(Path("data")) == bsds500_folder(Path("data/bsds500")) == Path("data/bsds500")
    (here / "empty").mkdir()
    with pytest.raises(SystemExit, match="empty/bsds500: there is no such folder; set CLUSTSEG_DATA"):
        bsds500_folder(Path("empty"))


def test_runs_on_data_of_ones_own_need_no_root(here):
    assert recipe_folder(Path("data"), "") == Path("data")
    with pytest.raises(SystemExit, match="data: there is no such folder"):
        recipe_folder(Path("data"), "camvid")
    (here / "data").mkdir()
    assert recipe_folder(Path("data"), "camvid") == Path("data/camvid")
