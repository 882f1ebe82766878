"""BSDS500 from Berkeley's files: what is converted is what was annotated, and can be trained on."""

import numpy as np
import pytest
from reader_cases import write_image
from scipy.io import savemat

from clustseg.data.readers.bsds500 import convert_bsds500, main
from clustseg.data.samples import DataError
from clustseg.data.superpixel_crops import read_bsds


def write_berkeley(root, ids=("2018", "3063"), annotators=2):
    """The download's layout; returns each image's label maps."""
    truth = {}
    for split in ("train", "val", "test"):
        (root / "groundTruth" / split).mkdir(parents=True)
        for number, name in enumerate(ids):
            write_image(root / "images" / split / f"{name}.jpg", 20, 30, seed=number)
            random = np.random.default_rng(number)
            maps = [random.integers(1, 300, (20, 30)).astype(np.uint16) for _ in range(annotators)]
            cells = np.empty((1, annotators), object)
            for place, one in enumerate(maps):
                cells[0, place] = {"Segmentation": one, "Boundaries": one > 9}
            savemat(root / "groundTruth" / split / f"{name}.mat", {"groundTruth": cells})
            truth[split, name] = maps
    return truth


def test_every_annotator_of_every_photograph_is_read_back(tmp_path, capsys):
    truth = write_berkeley(tmp_path / "data")
    main([str(tmp_path / "data"), str(tmp_path / "bsds500")])
    assert capsys.readouterr().out.endswith("bsds500: 6 images\n")
    for split in ("train", "val", "test"):
        photographs = read_bsds(tmp_path / "bsds500", split)
        assert [one.name for one in photographs] == ["2018", "3063"]
        for one in photographs:
            assert one.pixels.shape == (20, 30, 3) and len(one.annotations) == 2
            assert all(np.array_equal(found, wanted) for found, wanted in zip(one.annotations, truth[split, one.name]))


def test_what_is_missing_or_something_else_is_told(tmp_path):
    with pytest.raises(DataError, match="no photographs; give the folder BSR/BSDS500/data"):
        convert_bsds500(tmp_path, tmp_path / "out")
    write_berkeley(tmp_path / "data")
    savemat(tmp_path / "data" / "groundTruth" / "train" / "2018.mat", {"other": np.zeros(3)})
    with pytest.raises(DataError, match="is no annotation of BSDS500"):
        convert_bsds500(tmp_path / "data", tmp_path / "out")
    (tmp_path / "data" / "groundTruth" / "train" / "2018.mat").unlink()
    with pytest.raises(DataError, match="there is no such file"):
        convert_bsds500(tmp_path / "data", tmp_path / "out")
