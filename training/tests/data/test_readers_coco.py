"""COCO instances and panoptic files, made here and read back; masks against pycocotools."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from reader_cases import names_of, objects, pixels_of, write_image

from clustseg.data.readers.any import read_any
from clustseg.data.readers.coco import read_coco, read_coco_instances, read_coco_panoptic
from clustseg.data.samples import DataError

SQUARE = [2, 1, 6, 1, 6, 5, 2, 5]  # columns 2-5, rows 1-4


def rle(mask):
    code = coco_mask.encode(np.asfortranarray(np.asarray(mask, np.uint8)))
    return {"size": code["size"], "counts": code["counts"].decode()}


def uncompressed(mask):
    flat = np.asarray(mask, bool).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {"size": list(np.shape(mask)), "counts": [0, *counts] if flat[0] else counts}


def instances(root, annotations, categories=None, images=1):
    """A COCO file with images of 8 x 10 pixels, number 1 and on; annotations get what they do not say."""
    for number in range(1, images + 1):
        write_image(root / f"images/{number}.png", 8, 10, number)
    rows = [{"id": number, "file_name": f"{number}.png", "width": 10, "height": 8} for number in range(1, images + 1)]
    full = []
    for index, one in enumerate(annotations):
        row = {"id": index + 1, "image_id": 1, "category_id": 3, "iscrowd": 0, "bbox": [0, 0, 1, 1], **one}
        if isinstance(row.get("segmentation"), dict):
            row["area"] = 1
        full.append(row)
    data = {
        "images": rows,
        "annotations": full,
        "categories": categories or [{"id": 3, "name": "cat"}, {"id": 90, "name": "dog"}],
    }
    (root / "file.json").write_text(json.dumps(data))
    return root / "file.json", root / "images"


def test_polygons_are_filled_as_pycocotools_fills_them(tmp_path):
    odd = [0.4, 2.2, 7.9, 0.3, 9.6, 6.5, 3.3, 7.7]
    path, images = instances(tmp_path, [{"segmentation": [odd], "area": 40}])
    coco = COCO(path)
    expected = coco.annToMask(coco.loadAnns([1])[0]).astype(bool)
    samples = read_coco_instances(path, images)
    assert np.array_equal(samples[0].semantic == 1, expected)
    assert 20 < expected.sum() < 60


def test_objects_of_polygons_and_run_lengths(tmp_path):
    mask = np.zeros((8, 10), bool)
    mask[5:7, 7:9] = True
    for number, code in enumerate((rle(mask), uncompressed(mask))):
        root = tmp_path / str(number)
        path, images = instances(
            root, [{"segmentation": [SQUARE], "area": 16}, {"segmentation": code, "category_id": 90}]
        )
        samples = read_coco_instances(path, images)
        assert [(one["id"], one["name"], one["isthing"]) for one in samples.categories] == [
            (0, "background", False),
            (3, "cat", True),
            (90, "dog", True),
        ]
        cat, dog = pixels_of(slice(1, 5), slice(2, 6)), pixels_of(slice(5, 7), slice(7, 9))
        assert objects(samples, samples[0]) == {
            ("background", False, pixels_of(slice(0, 8), slice(0, 10)) - cat - dog),
            ("cat", False, cat),
            ("dog", False, dog),
        }


def test_smaller_objects_lie_on_larger_ones_and_both_on_crowds(tmp_path):
    small, crowd = np.zeros((8, 10), bool), np.ones((8, 10), bool)
    small[2:4, 3:5] = True
    annotations = [
        {"segmentation": rle(small), "category_id": 90},
        {"segmentation": [SQUARE], "area": 16},
        {"segmentation": uncompressed(crowd), "iscrowd": 1},
    ]
    samples = read_coco_instances(*instances(tmp_path, annotations))
    dog, cat = pixels_of(slice(2, 4), slice(3, 5)), pixels_of(slice(1, 5), slice(2, 6))
    assert objects(samples, samples[0]) == {
        ("dog", False, dog),
        ("cat", False, cat - dog),
        ("cat", True, pixels_of(slice(0, 8), slice(0, 10)) - cat),
    }


def test_an_object_of_several_rings_is_one(tmp_path):
    samples = read_coco_instances(
        *instances(tmp_path, [{"segmentation": [SQUARE, [8, 6, 10, 6, 10, 8, 8, 8], [1, 1]]}])
    )
    cat = pixels_of(slice(1, 5), slice(2, 6)) | pixels_of(slice(6, 8), slice(8, 10))
    assert ("cat", False, cat) in objects(samples, samples[0])


def test_what_has_a_box_only_is_void_where_nothing_lies(tmp_path):
    annotations = [{"segmentation": [SQUARE], "area": 16}, {"segmentation": [], "bbox": [5, 3, 3, 3]}]
    samples = read_coco_instances(*instances(tmp_path, annotations))
    sample = samples[0]
    assert {tuple(one) for one in np.argwhere(sample.segments == -1)} == pixels_of(
        slice(3, 6), slice(5, 8)
    ) - pixels_of(slice(1, 5), slice(2, 6))


def test_unlabelled_pixels_can_be_void_and_classes_stuff(tmp_path):
    twice = [{"segmentation": [SQUARE]}, {"segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]]}]
    samples = read_coco_instances(*instances(tmp_path, twice), unlabelled="void", stuff=["cat"])
    assert names_of(samples) == ["cat", "dog"]
    assert len(samples[0].categories) == 1
    assert (samples[0].segments == -1).sum() == 80 - 16 - 4


@pytest.mark.parametrize(
    ("categories", "expected"),
    [
        ([{"id": 0, "name": "cat"}, {"id": 3, "name": "dog"}], [(0, "background"), (1, "cat"), (4, "dog")]),
        ([{"id": 3, "name": "cat"}, {"id": 5, "name": "Background"}], [(3, "cat"), (0, "background")]),
        ([{"id": 0, "name": "Background"}, {"id": 3, "name": "cat"}], [(0, "background"), (3, "cat")]),
    ],
)
def test_the_background_has_the_id_0(categories, expected, tmp_path):
    samples = read_coco_instances(*instances(tmp_path, [{"segmentation": [SQUARE]}], categories))
    assert [(one["id"], one["name"]) for one in samples.categories] == expected
    thing = next(one["name"] for one in categories if one["id"] == 3)
    found = {(name, len(pixels)) for name, _, pixels in objects(samples, samples[0])}
    assert found == {("background", 64), (thing, 16)}


def test_images_without_annotations_are_background_or_left_out(tmp_path):
    path, images = instances(tmp_path, [{"segmentation": [SQUARE], "image_id": 2}], images=3)
    assert [len(sample.categories) for sample in read_coco_instances(path, images)] == [1, 2, 1]
    assert read_coco_instances(path, images, keep_empty=False).names == ["2"]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"segmentation": [[1, 2, 3]]}, "annotation 1 cannot be read .a polygon has 3 numbers"),
        ({"segmentation": [[1, 2, "a", 4, 5, 6]]}, "annotation 1 cannot be read"),
        ({"segmentation": {"size": [8, 9], "counts": [72]}}, r"its size is \[8, 9\], but"),
        ({"segmentation": {"size": [8, 10], "counts": [79]}}, "run lengths add up to 79"),
        ({"segmentation": {"size": [8, 10]}}, "counts"),
        ({"segmentation": [SQUARE], "category_id": 4}, "annotation 1 has category_id 4, which the file does not list"),
        ({"segmentation": [SQUARE], "image_id": 9}, "annotation 1 has image_id 9, which"),
        ({"segmentation": []}, "no annotation has a segmentation"),
    ],
)
def test_annotations_that_cannot_be_read_are_named(annotation, message, tmp_path):
    path, images = instances(tmp_path, [annotation])
    with pytest.raises(DataError, match=f"file.json: .*{message}"):
        read_coco_instances(path, images)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is no COCO file, the list images is missing"),
        ('{"images": [], "annotations": [], "categories": []}', "has no images"),
        ('{"images": [{"id": 1}], "annotations": [], "categories": [{}]}', "image has no valid file_name"),
        (
            '{"images": [{"id": 1, "file_name": "1.png"}], "annotations": [], "categories": [{"id": 1}]}',
            "no valid name",
        ),
    ],
)
def test_files_that_are_no_coco_are_refused(text, message, tmp_path):
    path, images = instances(tmp_path, [])
    path.write_text(text)
    with pytest.raises(DataError, match=f"file.json: .*{message}"):
        read_coco_instances(path, images)


def test_missing_and_other_images_are_named(tmp_path):
    path, images = instances(tmp_path, [{"segmentation": [SQUARE]}], images=2)
    write_image(images / "1.png", 4, 5)
    with pytest.raises(DataError, match=r"1\.png: is 5 x 4 pixels but was annotated as 10 x 8"):
        read_coco_instances(path, images)[0]
    (images / "2.png").unlink()
    with pytest.raises(DataError, match=r"1 of 2 images are not in .*: 2\.png; put them there"):
        read_coco_instances(path, images)
    with pytest.raises(DataError, match="stuff names bird, but the classes are cat, dog"):
        read_coco_instances(path, images, stuff=["bird"])


CLASSES = [
    {"id": 1, "name": "person", "isthing": 1, "color": [220, 20, 60]},
    {"id": 200, "name": "sky", "isthing": 0, "color": [70, 130, 180]},
]


def panoptic(root, ids, segments, name="panoptic_train2017"):
    """COCO 2017's layout with one image and the segments' ids as given."""
    ids = np.asarray(ids)
    write_image(root / "train2017/000000000009.jpg", *ids.shape)
    png = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
    (root / "annotations" / name).mkdir(parents=True, exist_ok=True)
    Image.fromarray(png).save(root / "annotations" / name / "000000000009.png")
    rows = [{"id": number, "category_id": category, "iscrowd": crowd} for number, category, crowd in segments]
    data = {
        "images": [{"id": 9, "file_name": "000000000009.jpg", "width": ids.shape[1], "height": ids.shape[0]}],
        "annotations": [{"image_id": 9, "file_name": "000000000009.png", "segments_info": rows}],
        "categories": CLASSES,
    }
    (root / "annotations" / f"{name}.json").write_text(json.dumps(data))
    return root / "annotations" / f"{name}.json"


def test_panoptic_segments_as_coco_lays_them_out(tmp_path):
    ids = [[0, 70_000, 70_000], [5, 6, 300], [8, 8, 300]]
    panoptic(tmp_path, ids, [(70_000, 1, 0), (5, 200, 0), (6, 200, 0), (300, 1, 1), (8, 1, 0), (77, 1, 0)])
    samples = read_coco(tmp_path, "train")
    assert [(one["id"], one["isthing"], one["color"]) for one in samples.categories] == [
        (1, True, [220, 20, 60]),
        (200, False, [70, 130, 180]),
    ]
    assert samples.names == ["000000000009"]
    assert objects(samples, samples[0]) == {
        ("person", False, frozenset({(0, 1), (0, 2)})),
        ("sky", False, frozenset({(1, 0), (1, 1)})),
        ("person", True, frozenset({(1, 2), (2, 2)})),
        ("person", False, frozenset({(2, 0), (2, 1)})),
    }
    assert samples[0].segments[0, 0] == -1


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([(1, 1, 0)], "has pixels of segment 2, which segments_info does not list"),
        ([(1, 3, 0)], "has category 3, which"),
    ],
)
def test_panoptic_segments_that_do_not_fit_are_named(segments, message, tmp_path):
    path = panoptic(tmp_path, [[1, 2]], segments)
    with pytest.raises(DataError, match=f"{path.name}: .*{message}"):
        read_coco_panoptic(path, tmp_path / "train2017")[0]


def test_missing_panoptic_files_are_named(tmp_path):
    path = panoptic(tmp_path, [[1]], [(1, 1, 0)])
    (path.with_suffix("") / "000000000009.png").unlink()
    with pytest.raises(DataError, match=r"000000000009\.png: the segments of this image are missing"):
        read_coco_panoptic(path, tmp_path / "train2017")[0]
    path.with_suffix("").rmdir()
    with pytest.raises(DataError, match="no such folder; unpack"):
        read_coco_panoptic(path, tmp_path / "train2017")
    with pytest.raises(DataError, match="kind boxes"):
        read_coco(tmp_path, "train", "boxes")


def test_coco_instances_as_coco_lays_them_out(tmp_path):
    path, images = instances(tmp_path, [{"segmentation": [SQUARE]}])
    (tmp_path / "annotations").mkdir()
    path.rename(tmp_path / "annotations/instances_val2017.json")
    images.rename(tmp_path / "val2017")
    assert names_of(read_coco(tmp_path, "val", "instances")) == ["background", "cat", "dog"]


def test_any_opens_coco_by_its_look(tmp_path):
    path, _ = instances(tmp_path, [{"segmentation": [SQUARE]}], images=5)
    assert len(read_any(path)) == 5
    assert (len(read_any(path, "train")), len(read_any(path, "val"))) == (4, 1)
    file = panoptic(tmp_path, [[1]], [(1, 1, 0)])
    assert names_of(read_any(file, images=tmp_path / "train2017")) == ["person", "sky"]
    assert names_of(read_any(tmp_path, "train")) == ["person", "sky"]


def test_images_of_an_annotations_folder_lie_beside_it(tmp_path):
    path, _ = instances(tmp_path, [{"segmentation": [SQUARE]}])
    (tmp_path / "annotations").mkdir()
    path = path.rename(tmp_path / "annotations/instances_default.json")
    assert read_any(path)[0].image.shape == (8, 10, 3)
