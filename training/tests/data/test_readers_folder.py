"""A folder of images and masks, of every meaning that masks can have."""

import json

import numpy as np
import pytest
from PIL import Image
from reader_cases import names_of, objects, write_ids, write_image

from clustseg.data.readers.any import read_any
from clustseg.data.readers.folder import read_folder
from clustseg.data.samples import DataError, voc_color


def one_image(root, ids, described=None, dtype=np.uint8):
    height, width = np.asarray(ids).shape[:2]
    write_image(root / "images/a.png", height, width)
    write_ids(root / "masks/a.png", ids, dtype)
    if described is not None:
        (root / "dataset.json").write_text(json.dumps(described))


def test_masks_of_instances(tmp_path):
    one_image(tmp_path, [[0, 500, 500, 2]], {"masks": "instances", "classes": ["cell"]}, np.uint16)
    samples = read_folder(tmp_path)
    assert [(one["id"], one["name"], one["isthing"]) for one in samples.categories] == [
        (0, "background", False),
        (1, "cell", True),
    ]
    assert objects(samples, samples[0]) == {
        ("background", False, frozenset({(0, 0)})),
        ("cell", False, frozenset({(0, 1), (0, 2)})),
        ("cell", False, frozenset({(0, 3)})),
    }


def test_options_go_before_the_description(tmp_path):
    one_image(tmp_path, [[0, 5, 9]], {"masks": "classes", "classes": ["a"]})
    samples = read_folder(tmp_path, masks="instances", classes=["cell"], void=9)
    assert samples[0].segments.tolist() == [[0, 1, -1]]
    assert names_of(samples) == ["background", "cell"]


def test_masks_of_instances_need_no_class_name(tmp_path):
    one_image(tmp_path, [[0, 5]])
    assert names_of(read_folder(tmp_path, masks="instances")) == ["background", "object"]


def test_masks_of_classes(tmp_path):
    classes = [
        "background",
        {"name": "leaf", "value": 9, "isthing": True, "color": [1, 2, 3]},
        {"name": "soil", "value": 4},
    ]
    one_image(tmp_path, [[0, 9, 4, 255]], {"masks": "classes", "classes": classes, "void": 255})
    samples = read_folder(tmp_path)
    assert samples.categories == [
        {"id": 0, "name": "background", "isthing": False, "color": [0, 0, 0]},
        {"id": 9, "name": "leaf", "isthing": True, "color": [1, 2, 3]},
        {"id": 4, "name": "soil", "isthing": False, "color": voc_color(2)},
    ]
    assert objects(samples, samples[0]) == {
        ("background", False, frozenset({(0, 0)})),
        ("leaf", True, frozenset({(0, 1)})),  # a thing whose objects are not told apart
        ("soil", False, frozenset({(0, 2)})),
    }


def test_masks_with_a_palette_give_its_indices(tmp_path):
    one_image(tmp_path, [[0]], {"masks": "classes", "classes": ["background", "leaf"]})
    image = Image.fromarray(np.array([[0, 1, 1]], np.uint8), mode="P")
    image.putpalette([0, 0, 0, 200, 100, 0])
    image.save(tmp_path / "masks/a.png")
    write_image(tmp_path / "images/a.png", 1, 3)
    assert read_folder(tmp_path)[0].semantic.tolist() == [[0, 1, 1]]


def test_masks_in_the_colours_of_classes(tmp_path):
    classes = [{"name": "road", "color": [128, 64, 128]}, {"name": "sky", "color": [0, 0, 255]}]
    mask = np.array([[[128, 64, 128], [0, 0, 255], [7, 7, 7]]], np.uint8)
    one_image(tmp_path, mask, {"masks": "classes", "classes": classes, "void": 255})
    assert read_folder(tmp_path)[0].semantic.tolist() == [[0, 1, -1]]
    (tmp_path / "dataset.json").write_text(json.dumps({"masks": "classes", "classes": classes}))
    with pytest.raises(DataError, match=r"a\.png: holds the colour \[7, 7, 7\], which no class has"):
        read_folder(tmp_path)[0]
    with pytest.raises(DataError, match='give each class its "color"'):
        read_folder(tmp_path, classes=["road", "sky"])[0]


def test_masks_of_classes_and_objects(tmp_path):
    described = {"masks": "panoptic", "classes": [{"name": "sky", "isthing": False}, "car"], "divisor": 100}
    one_image(tmp_path, [[0, 3, 101, 102, 100, 102, 200]], {**described, "void": 200})
    samples = read_folder(tmp_path)
    assert objects(samples, samples[0]) == {
        ("sky", False, frozenset({(0, 0), (0, 1)})),
        ("car", False, frozenset({(0, 2)})),
        ("car", False, frozenset({(0, 3), (0, 5)})),
        ("car", True, frozenset({(0, 4)})),
    }
    assert samples[0].segments[0, 6] == -1


def test_one_mask_file_an_object(tmp_path):
    write_image(tmp_path / "images/a.png", 2, 4)
    write_ids(tmp_path / "masks/a/1.png", [[255, 255, 0, 0], [0, 0, 0, 0]])
    write_ids(tmp_path / "masks/a/2.png", [[0, 255, 255, 255], [0, 0, 0, 0]])
    write_ids(tmp_path / "masks/a/3.png", [[0] * 4] * 2)
    samples = read_folder(tmp_path, classes=["nucleus"])  # that masks are of objects is seen by the folders
    assert objects(samples, samples[0]) == {
        ("background", False, frozenset((1, x) for x in range(4))),
        ("nucleus", False, frozenset({(0, 0), (0, 1)})),  # the smaller one is on top
        ("nucleus", False, frozenset({(0, 2), (0, 3)})),
    }


def test_the_original_layout_of_the_data_science_bowl(tmp_path):
    for name in ("b", "a"):
        image = tmp_path / name / "images" / f"{name}.png"
        image.parent.mkdir(parents=True)
        Image.fromarray(np.full((1, 2, 4), 255, np.uint8)).save(image)
        write_ids(tmp_path / name / "masks/x.png", [[0, 255]])
    samples = read_folder(tmp_path, classes=["nucleus"])
    assert samples.names == ["a", "b"]
    assert objects(samples, samples[0]) == {
        ("background", False, frozenset({(0, 0)})),
        ("nucleus", False, frozenset({(0, 1)})),
    }


def test_splits_are_folders_or_a_fifth_of_the_images(tmp_path):
    for number in range(10):
        write_image(tmp_path / f"all/images/{number}.png", 1, 1)
        write_ids(tmp_path / f"all/masks/{number}.png", [[number]])
    parts = {split: read_folder(tmp_path / "all", split, masks="instances") for split in ("train", "val")}
    assert (len(parts["train"]), len(parts["val"])) == (8, 2)
    assert sorted(parts["train"].names + parts["val"].names) == [str(number) for number in range(10)]
    for samples in parts.values():
        for sample in samples:
            assert sample.categories.tolist() == [int(sample.name != "0")]
    with pytest.raises(DataError, match="no split test"):
        read_folder(tmp_path / "all", "test", masks="instances")

    (tmp_path / "all").rename(tmp_path / "test")
    (tmp_path / "dataset.json").write_text('{"masks": "instances"}')
    assert len(read_any(tmp_path, "test")) == 10


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({}, r"dataset\.json: what the masks mean is not said; write .*instances, classes, panoptic, objects"),
        ({"masks": "boxes"}, r"dataset\.json: masks are 'boxes'"),
        ({"masks": "classes"}, "the classes are missing"),
        ({"masks": "classes", "classes": [{"value": 1}]}, "a class is a name or"),
        ({"masks": "classes", "classes": ["a", "a"]}, "two classes have one name or one value"),
        ({"masks": "classes", "classes": [{"name": "a", "color": "red"}]}, "color of a is to be"),
        ({"masks": "instances", "classes": ["a", "b"]}, "instances masks are of one class, but 2 are given"),
        ({"masks": "panoptic", "classes": ["a"], "divisor": 1}, "divisor a whole number from 2"),
        ({"masks": "objects"}, "for masks of kind objects, expected a folder"),
        ([], "expected an object"),
        ({"masks": "instances", "class": ["a"]}, r'dataset\.json: "class" is not known there; it holds masks, classes'),
    ],
)
def test_descriptions_that_say_nothing_clear_are_refused(described, message, tmp_path):
    one_image(tmp_path, [[0]], described)
    with pytest.raises(DataError, match=message):
        read_folder(tmp_path)


def test_a_value_of_no_class_is_named(tmp_path):
    one_image(tmp_path, [[0, 255]], {"masks": "classes", "classes": ["background"]})
    with pytest.raises(DataError, match=r'masks/a\.png: holds class 255, .*\{"void": 255\}'):
        read_folder(tmp_path)[0]


def test_a_class_of_panoptic_masks_that_is_none_is_to_be_listed(tmp_path):
    one_image(tmp_path, [[0, 1001]], {"masks": "panoptic", "classes": ["background"]}, np.uint16)
    with pytest.raises(DataError, match=r"holds class 1, but classes have the values 0; list it in dataset\.json$"):
        read_folder(tmp_path)[0]


def test_masks_and_images_come_in_pairs(tmp_path):
    for name in "abc":
        write_image(tmp_path / f"images/{name}.png", 1, 2)
        write_ids(tmp_path / f"masks/{name}.png", [[0, 1]])
    write_ids(tmp_path / "masks/d.png", [[0, 1]])
    write_ids(tmp_path / "masks/e.png", [[0, 1]])
    with pytest.raises(DataError, match=r"masks/d\.png: the mask has no image in .*images \(and 1 more such\)"):
        read_folder(tmp_path, masks="instances")
    for name in "abc":
        (tmp_path / f"masks/{name}.png").rename(tmp_path / f"masks/{name}_mask.png")
    for name in "de":
        (tmp_path / f"masks/{name}.png").unlink()
    message = r"a\.png \(and 2 more such\); masks without an image are called a_mask\.png \(and 2 more such\): give each mask the name"
    with pytest.raises(DataError, match=message):
        read_folder(tmp_path, masks="instances")


def test_what_a_folder_lacks_is_said(tmp_path):
    one_image(tmp_path / "split/train", [[0, 1]])
    with pytest.raises(DataError, match="split: there is train/, but no val/; move some images"):
        read_folder(tmp_path / "split", "val", masks="instances")
    for name in "abc":
        write_image(tmp_path / f"split/images/{name}.png", 1, 2)
        write_ids(tmp_path / f"split/masks/{name}.png", [[0, 1]])
    (tmp_path / "split/train").rename(tmp_path / "split/test")  # for measuring only; the others are train and val
    assert [len(read_folder(tmp_path / "split", split, masks="instances")) for split in ("train", "val", "test")] == [2, 1, 1]
    write_image(tmp_path / "loose/a.png", 1, 1)
    with pytest.raises(DataError, match=r"expected the folders .*; move the images that lie in it into images/"):
        read_any(tmp_path / "loose")
    write_image(tmp_path / "export/images/a.png", 1, 1)
    (tmp_path / "export/instances.json").write_text("{}")
    with pytest.raises(DataError, match=r"masks: there is no such folder; .*; if .*instances\.json is an export of COCO"):
        read_any(tmp_path / "export")


def test_options_of_annotations_are_not_for_masks(tmp_path):
    one_image(tmp_path, [[0, 1]], {"masks": "instances"})
    with pytest.raises(DataError, match='stuff is for COCO instances, CVAT and Label Studio; .*"isthing": false'):
        read_any(tmp_path, stuff=["cell"])
    with pytest.raises(DataError, match="unlabelled is for .*void"):
        read_any(tmp_path, unlabelled="void")
    with pytest.raises(DataError, match="a folder of images is given with an annotation file only"):
        read_any(tmp_path, images=tmp_path / "images")


def test_files_that_do_not_fit_are_named(tmp_path):
    described = {"masks": "instances"}
    one_image(tmp_path, [[0, 1]], described)
    write_image(tmp_path / "images/b.png", 1, 2)
    with pytest.raises(DataError, match=r"masks/b\.png: there is no mask of b\.png"):
        read_folder(tmp_path)
    write_ids(tmp_path / "masks/b.jpg", [[0, 1]])
    with pytest.raises(DataError, match=r"b\.jpg: JPEG changes the values"):
        read_folder(tmp_path)
    (tmp_path / "masks/b.jpg").unlink()
    write_ids(tmp_path / "masks/b.png", [[0], [1]])
    with pytest.raises(DataError, match=r"b\.png: the label map is 1 x 2 but its image is 2 x 1"):
        read_folder(tmp_path)[1]
    (tmp_path / "masks/b.png").write_bytes(b"no image")
    for kind in ("instances", "classes"):
        with pytest.raises(DataError, match=r"b\.png: cannot be read as a label map"):
            read_folder(tmp_path, masks=kind, classes=["a"])[1]
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(DataError, match=r"dataset\.json: is not JSON"):
        read_folder(tmp_path)


def test_folders_that_are_none_are_named(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        read_folder(tmp_path / "none")
    with pytest.raises(DataError, match="expected the folders images/ and masks/"):
        read_folder(tmp_path)
    write_image(tmp_path / "images/a.png", 1, 1)
    with pytest.raises(DataError, match="masks: there is no such folder"):
        read_folder(tmp_path)
    write_image(tmp_path / "x/y/images/a.png", 1, 1)
    write_image(tmp_path / "x/y/images/b.png", 1, 1)
    write_ids(tmp_path / "x/y/masks/1.png", [[1]])
    with pytest.raises(DataError, match="holds 2 images"):
        read_folder(tmp_path / "x")


def test_masks_of_objects_of_another_size_are_named(tmp_path):
    write_image(tmp_path / "images/a.png", 2, 4)
    write_ids(tmp_path / "masks/a/1.png", [[255]])
    with pytest.raises(DataError, match=r"1\.png: is 1 x 1 pixels but its image 4 x 2"):
        read_folder(tmp_path)[0]
