"""CamVid, DSB 2018, VOC and ADE20K as they are laid out, on a few made images; and on the real ones where they are."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from reader_cases import names_of, objects, pixels_of, write_ids, write_image

from clustseg.data.readers.ade20k import read_ade20k
from clustseg.data.readers.camvid import read_camvid
from clustseg.data.readers.dsb2018 import read_dsb2018, read_modality
from clustseg.data.readers.voc import has_instances, read_voc
from clustseg.data.samples import DataError

DATA = os.environ.get("CLUSTSEG_DATA")


def has(name):
    return pytest.mark.skipif(not DATA or not (Path(DATA) / name).is_dir(), reason=f"needs CLUSTSEG_DATA with {name}")


def test_camvid_gives_one_segment_a_class(tmp_path):
    pixels = write_image(tmp_path / "train/images/a.png", 2, 3)
    write_ids(tmp_path / "train/labels/a.png", [[3, 0, 3], [11, 10, 3]])
    samples = read_camvid(tmp_path, "train")
    assert names_of(samples) == ("sky building pole road pavement tree sign fence car pedestrian bicyclist".split())
    assert not any(one["isthing"] for one in samples.categories)
    sample = samples[0]
    assert np.array_equal(sample.image, pixels)
    assert objects(samples, sample) == {
        ("road", False, frozenset({(0, 0), (0, 2), (1, 2)})),
        ("sky", False, frozenset({(0, 1)})),
        ("bicyclist", False, frozenset({(1, 1)})),
    }
    assert sample.segments[1, 0] == -1


def test_camvid_refuses_other_classes_and_sizes(tmp_path):
    write_image(tmp_path / "train/images/a.png", 2, 3)
    write_ids(tmp_path / "train/labels/a.png", [[12] * 3] * 2)
    with pytest.raises(DataError, match=r"labels/a\.png: class 12"):
        read_camvid(tmp_path, "train")[0]
    write_ids(tmp_path / "train/labels/a.png", [[0] * 2] * 3)
    with pytest.raises(DataError, match="2 x 3 but its image is 3 x 2"):
        read_camvid(tmp_path, "train")[0]
    with pytest.raises(DataError, match="no such folder"):
        read_camvid(tmp_path, "test")


def test_dsb2018_gives_background_and_nuclei(tmp_path):
    write_ids(tmp_path / "val/images/a.png", [[1, 2, 3]])  # grey
    write_ids(tmp_path / "val/labels/a.png", [[0, 4000, 7]], np.uint16)
    samples = read_dsb2018(tmp_path, "val")
    assert [(one["name"], one["isthing"]) for one in samples.categories] == [("background", False), ("nucleus", True)]
    assert samples[0].image.tolist() == [[[1] * 3, [2] * 3, [3] * 3]]
    assert objects(samples, samples[0]) == {
        ("background", False, frozenset({(0, 0)})),
        ("nucleus", False, frozenset({(0, 1)})),
        ("nucleus", False, frozenset({(0, 2)})),
    }


def test_modality_is_read_or_refused(tmp_path):
    (tmp_path / "modality.json").write_text('{"a": "dark"}')
    assert read_modality(tmp_path) == {"a": "dark"}
    for text in ('["a"]', '{"a": 1}', "{"):
        (tmp_path / "modality.json").write_text(text)
        with pytest.raises(DataError, match="modality.json: "):
            read_modality(tmp_path)
    with pytest.raises(DataError, match="missing"):
        read_modality(tmp_path / "none")


def test_voc_parts_objects_ambiguous_pixels_and_void(tmp_path):
    for name in "ab":
        write_image(tmp_path / f"train/images/{name}.png", 2, 4)
        write_ids(tmp_path / f"train/semantic/{name}.png", [[0, 15, 15, 255], [12, 12, 15, 0]])
    write_ids(tmp_path / "train/instance/a.png", [[0, 1, 2, 0], [3, 255, 255, 0]])
    samples = read_voc(tmp_path, "train")
    assert has_instances(tmp_path, "train") == [True, False]
    background = ("background", False, frozenset({(0, 0), (1, 3)}))
    assert objects(samples, samples[0]) == {
        background,
        ("person", False, frozenset({(0, 1)})),
        ("person", False, frozenset({(0, 2)})),
        ("dog", False, frozenset({(1, 0)})),
        ("dog", True, frozenset({(1, 1)})),
        ("person", True, frozenset({(1, 2)})),
    }
    assert objects(samples, samples[1]) == {
        background,
        ("person", True, frozenset({(0, 1), (0, 2), (1, 2)})),
        ("dog", True, frozenset({(1, 0), (1, 1)})),
    }
    assert samples[0].segments[0, 3] == samples[1].segments[0, 3] == -1


def test_voc_has_the_usual_classes_and_colours(tmp_path):
    write_image(tmp_path / "train/images/a.png", 1, 1)
    write_ids(tmp_path / "train/semantic/a.png", [[21]])
    samples = read_voc(tmp_path, "train")
    assert len(samples.categories) == 21
    assert samples.categories[15] == {"id": 15, "name": "person", "isthing": True, "color": [192, 128, 128]}
    assert samples.categories[0]["isthing"] is False
    with pytest.raises(DataError, match=r"semantic/a\.png: class 21"):
        samples[0]


def ade20k(root, names="wall\nbuilding, edifice\nscreen, silver screen\nscreen, crt screen"):
    rows = [f"{index} \t0.1\t5\t1\t{name}" for index, name in enumerate(names.split("\n"), start=1)]
    (root / "objectInfo150.txt").write_text("\n".join(["Idx\tRatio\tTrain\tVal\tName", *rows]) + "\n")
    write_image(root / "images/validation/a.jpg", 1, 4)
    write_ids(root / "annotations/validation/a.png", [[0, 1, 4, 1]])


def test_ade20k_names_classes_and_leaves_other_void(tmp_path):
    ade20k(tmp_path)
    samples = read_ade20k(tmp_path, "val")
    assert names_of(samples) == ["wall", "building", "screen, silver screen", "screen, crt screen"]
    assert [one["id"] for one in samples.categories] == [1, 2, 3, 4]
    assert objects(samples, samples[0]) == {
        ("wall", False, frozenset({(0, 1), (0, 3)})),
        ("screen, crt screen", False, frozenset({(0, 2)})),
    }
    assert samples[0].segments[0, 0] == -1


def test_ade20k_refuses_what_is_not_its_own(tmp_path):
    with pytest.raises(DataError, match=r"objectInfo150\.txt: is missing"):
        read_ade20k(tmp_path, "val")
    ade20k(tmp_path)
    with pytest.raises(DataError, match="no split test"):
        read_ade20k(tmp_path, "test")
    write_ids(tmp_path / "annotations/validation/a.png", [[0, 1, 5, 1]])
    with pytest.raises(DataError, match=r"a\.png: class 5"):
        read_ade20k(tmp_path, "val")[0]
    (tmp_path / "objectInfo150.txt").write_text("Idx\n1 wall\n")
    with pytest.raises(DataError, match=r"objectInfo150\.txt: expected lines"):
        read_ade20k(tmp_path, "val")


@has("camvid")
def test_the_real_camvid():
    splits = {split: read_camvid(Path(DATA) / "camvid", split) for split in ("train", "val", "test")}
    assert {split: len(samples) for split, samples in splits.items()} == {"train": 367, "val": 101, "test": 133}
    sample = splits["val"][0]
    assert sample.image.shape == (360, 480, 3)
    assert {"sky", "road", "building"} <= {splits["val"].categories[index]["name"] for index in sample.categories}


@has("dsb2018")
def test_the_real_nuclei():
    samples = read_dsb2018(Path(DATA) / "dsb2018", "val")
    modality = read_modality(Path(DATA) / "dsb2018")
    assert len(samples) == 67
    assert set(samples.names) <= set(modality)
    for sample in samples[:3]:
        assert sample.categories[0] == 0 and (sample.categories[1:] == 1).all() and len(sample.categories) > 1


@has("voc")
def test_the_real_voc():
    samples = read_voc(Path(DATA) / "voc", "val", long_side=160, cache=True)
    told_apart = has_instances(Path(DATA) / "voc", "val")
    assert (len(samples), sum(told_apart)) == (282, 219)
    names = json.loads((Path(DATA) / "voc/classes.json").read_text())
    assert names_of(samples) == names
    for index in range(0, 60, 8):
        sample = samples[index]
        things = sample.categories > 0
        assert max(sample.segments.shape) <= 160
        assert things.any()
        assert (~sample.crowd[things]).any() == told_apart[index]


def test_segments_are_whole(tmp_path):
    ids = np.zeros((40, 40), np.uint8)
    ids[10:20, 5:25] = 3
    write_image(tmp_path / "train/images/a.png", 40, 40)
    write_ids(tmp_path / "train/labels/a.png", ids)
    samples = read_dsb2018(tmp_path, "train", long_side=20)
    nucleus = next(one for one in objects(samples, samples[0]) if one[0] == "nucleus")
    assert nucleus[2] == pixels_of(slice(5, 10), slice(2, 12))
