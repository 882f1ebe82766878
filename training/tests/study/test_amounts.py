"""How many images and how long: the data sets of the study, and its table in docs/train-your-own.md."""

import json

import numpy as np
import pytest
from PIL import Image

from clustseg.data.readers.any import read_any
from clustseg.study.amounts import COMMAND, KIND, ROOT, amount, main, make_data_set, rows_of
from clustseg.study.documents import filled


def bowl(folder, kinds):
    """Data laid out as DSB 2018 is prepared, one nucleus an image."""
    for name in ("images", "labels"):
        (folder / "train" / name).mkdir(parents=True)
    for index, _ in enumerate(kinds):
        labels = np.zeros((32, 40), np.uint16)
        labels[4:12, 6:16] = 1
        Image.fromarray(np.full((32, 40, 3), 10 * index, np.uint8)).save(folder / "train" / "images" / f"{index:02}.png")
        Image.fromarray(labels).save(folder / "train" / "labels" / f"{index:02}.png")
    (folder / "modality.json").write_text(json.dumps({f"{index:02}": kind for index, kind in enumerate(kinds)}))


def test_a_data_set_has_so_many_images_of_the_kind_and_reads_as_ones_own(tmp_path):
    bowl(tmp_path / "bowl", [KIND, "colour"] * 10)
    assert make_data_set(tmp_path / "bowl", 5, tmp_path / "own") == 5
    whole = [read_any(tmp_path / "own", split) for split in ("train", "val")]
    assert sum(map(len, whole)) == 5
    assert all(int(name) % 2 == 0 for samples in whole for name in samples.names)


def test_amounts_are_images_and_steps():
    assert amount("100x200") == (100, 200)
    with pytest.raises(Exception, match="give images and steps as 100x200"):
        amount("100")


def test_the_tutorials_table_is_what_was_measured(tmp_path):
    doc = ROOT.parent / "docs" / "train-your-own.md"
    text = doc.read_text(encoding="utf-8")
    assert filled(text, {"amounts": rows_of(ROOT / "results")}, COMMAND) == text
    (tmp_path / "doc.md").write_text(text.replace("| 10 |", "| 11 |", 1), encoding="utf-8")
    main(["--doc", str(tmp_path / "doc.md")])
    assert (tmp_path / "doc.md").read_text(encoding="utf-8") == text
