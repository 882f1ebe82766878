"""`clustseg export` against reference readers: pycocotools, panopticapi's definition, Pillow, csv, XML, and readers of YOLO,
CVAT and Label Studio that do what these programs do with the file.

test/pipeline/export-readers.test.ts holds the files to what TypeScript writes; the truth is segments.png and metadata.json.
"""

import csv
import io
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from formats_cases import voc_colors
from matplotlib.path import Path as Outline
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FOLDER = Path(__file__).parents[3] / "test" / "pipeline" / "fixtures" / "export"
SETS = ("panoptic", "semantic", "instance", "superpixel")
CLASSED = SETS[:-1]
SUPERPIXEL = {"id": 1, "name": "superpixel", "isthing": True}


class Truth:
    """One image's result."""

    def __init__(self, folder: Path, key: str):
        self.key = key
        about = json.loads((folder / key / "metadata.json").read_text(encoding="utf-8"))
        self.task = about["task"]
        self.ids = np.asarray(Image.open(folder / key / "segments.png")).astype(np.int64)
        self.categories = {one["id"]: one for one in about["categories"]} or {1: SUPERPIXEL}
        self.segments = [{"category_id": 1, **segment} for segment in about["segments_info"]]
        self.rgb = np.asarray(Image.open(folder.parent / "images" / key))

    @property
    def shift(self):
        """COCO knows no class 0: where a class other than the background has that id, all are one higher."""
        return int(any(i == 0 and one["name"] != "background" for i, one in self.categories.items()))

    @property
    def objects(self):
        """All segments but those of the background: what has annotations."""
        return [one for one in self.segments if self.categories[one["category_id"]]["name"] != "background"]

    def mask(self, segment):
        return self.ids == segment["id"]


def truths(name) -> list[Truth]:
    folder = FOLDER / name / "results"
    keys = (found.parent.relative_to(folder).as_posix() for found in folder.rglob("metadata.json"))
    return [Truth(folder, key) for key in sorted(keys, key=lambda key: key.encode())]


def filled(rings, shape):
    """Which pixels have their middles (not the very middle: a cut may go through it) inside an odd number of the rings."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    middles = np.stack([x.ravel(), y.ravel()], axis=1) + (0.4931, 0.5273)
    odd = np.zeros(len(middles), bool)
    for ring in rings:
        odd ^= Outline([*ring, ring[0]], closed=True).contains_points(middles)
    return odd.reshape(shape)


@pytest.mark.parametrize("kind", ["coco", "coco-polygons"])
@pytest.mark.parametrize("name", SETS)
def test_pycocotools_decodes_the_instances(name, kind):
    coco = COCO(FOLDER / name / kind / "instances.json")
    everything = truths(name)
    assert [coco.imgs[i]["file_name"] for i in sorted(coco.imgs)] == [truth.key for truth in everything]
    assert sorted(coco.anns) == list(range(1, sum(len(truth.objects) for truth in everything) + 1))
    for number, truth in enumerate(everything, start=1):
        image = coco.imgs[number]
        assert (image["height"], image["width"]) == truth.ids.shape
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[number]))
        assert [one["segment_id"] for one in annotations] == [one["id"] for one in truth.objects]
        for annotation, segment in zip(annotations, truth.objects, strict=True):
            assert (isinstance(annotation["segmentation"], list)) == (kind == "coco-polygons")
            assert np.array_equal(coco.annToMask(annotation), truth.mask(segment))
            rle = coco.annToRLE(annotation)
            assert annotation["area"] == coco_mask.area(rle) == segment["area"]
            assert annotation["bbox"] == list(coco_mask.toBbox(rle)) == segment["bbox"]
            assert annotation["category_id"] == segment["category_id"] + truth.shift
            assert annotation.get("score") == segment.get("score")
    assert {one["id"]: one["name"] for one in coco.cats.values()} == {
        i + everything[0].shift: one["name"]
        for i, one in everything[0].categories.items()
        if one["name"] != "background"
    }
    assert 0 not in coco.cats


@pytest.mark.parametrize("name", ["panoptic", "instance"])
def test_pycocotools_scores_a_data_set_against_itself_as_perfect(name):
    truth = COCO(FOLDER / name / "coco" / "instances.json")
    polygons = json.loads((FOLDER / name / "coco-polygons" / "instances.json").read_text(encoding="utf-8"))
    found = truth.loadRes([{**one, "segmentation": truth.annToRLE(one)} for one in polygons["annotations"]])
    evaluation = COCOeval(truth, found, "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


@pytest.mark.parametrize("name", SETS)
def test_the_panoptic_pngs_are_what_panopticapi_takes(name):
    document = json.loads((FOLDER / name / "coco-panoptic" / "panoptic.json").read_text(encoding="utf-8"))
    everything = truths(name)
    categories = {one["id"]: one for one in document["categories"]}
    assert {i: bool(one["isthing"]) for i, one in categories.items()} == {
        i + everything[0].shift: one["isthing"] for i, one in everything[0].categories.items()
    }
    assert [image["file_name"] for image in document["images"]] == [truth.key for truth in everything]
    for image, annotation, truth in zip(document["images"], document["annotations"], everything, strict=True):
        assert annotation["image_id"] == image["id"]
        # panopticapi looks in the folder that is called as the json is.
        png = np.asarray(Image.open(FOLDER / name / "coco-panoptic" / "panoptic" / annotation["file_name"]))
        assert png.shape == (*truth.ids.shape, 3)
        ids = png[..., 0].astype(np.uint32) + 256 * png[..., 1].astype(np.uint32) + 256**2 * png[..., 2].astype(np.uint32)
        assert np.array_equal(ids, truth.ids)
        # pq_compute's own checks: each id but 0 is listed, each one listed is there, and its class is known.
        assert {one["id"] for one in annotation["segments_info"]} == set(np.unique(ids).tolist()) - {0}
        for found, segment in zip(annotation["segments_info"], truth.segments, strict=True):
            assert found["category_id"] in categories
            assert found["category_id"] == segment["category_id"] + truth.shift
            assert found["area"] == (ids == found["id"]).sum()
            assert found["bbox"] == segment["bbox"]
            assert found["iscrowd"] == 0
            assert found.get("score") == segment.get("score")
        stuff = [one["category_id"] for one in annotation["segments_info"] if not categories[one["category_id"]]["isthing"]]
        assert len(stuff) == len(set(stuff))


@pytest.mark.parametrize("name", CLASSED)
def test_pillow_reads_vocs_masks_and_their_palette(name):
    folder = FOLDER / name / "voc"
    everything = truths(name)
    listed = (folder / "ImageSets" / "Segmentation" / "default.txt").read_text(encoding="utf-8").split("\n")
    assert listed == [*(truth.key.rpartition(".")[0] for truth in everything), ""]
    lines = (folder / "labelmap.txt").read_text(encoding="utf-8").splitlines()[1:]
    colors = {line.split(":")[0]: tuple(map(int, line.split(":")[1].split(","))) for line in lines}
    assert colors["background"] == (0, 0, 0)
    assert colors["ignored"] == tuple(voc_colors()[255])
    for truth, stem in zip(everything, listed, strict=False):
        classes = Image.open(folder / "SegmentationClass" / f"{stem}.png")
        assert classes.mode == "P"
        assert classes.getpalette() == voc_colors().reshape(-1).tolist()
        rgb = np.asarray(classes.convert("RGB"))
        for segment in truth.segments:
            label = "".join("_" if c in ": " else c for c in truth.categories[segment["category_id"]]["name"])
            assert {tuple(color) for color in rgb[truth.mask(segment)]} == {colors[label]}
        none = set(np.asarray(classes)[truth.ids == 0].tolist())
        assert none <= ({0} if name == "instance" else {255})
        assert (folder / "JPEGImages" / truth.key).exists()
        path = folder / "SegmentationObject" / f"{stem}.png"
        assert path.exists() == (name != "semantic")
        if not path.exists():
            continue
        objects = np.asarray(Image.open(path))
        things = [one for one in truth.segments if one["isthing"]]
        assert set(objects.ravel().tolist()) - {0, 255} == set(range(1, len(things) + 1))
        for number, segment in enumerate(things, start=1):
            assert np.array_equal(objects == number, truth.mask(segment))


def test_vocs_own_classes_keep_vocs_own_colours():
    text = (FOLDER / "panoptic" / "voc" / "labelmap.txt").read_text(encoding="utf-8")
    assert "bicycle:0,128,0::" in text  # class 2 of VOC
    assert "person:192,128,128::" in text  # class 15


@pytest.mark.parametrize("name", SETS)
def test_yolo_labels_are_what_ultralytics_verifies(name):
    """As `verify_image_label` does: numbers without a bad one, and a polygon for each object of its class."""
    folder = FOLDER / name / "yolo"
    everything = truths(name)
    yaml = (folder / "data.yaml").read_text(encoding="utf-8")
    names = [json.loads(line.split(": ", 1)[1]) for line in yaml.split("names:\n")[1].splitlines()]
    assert "train: images\n" in yaml
    for truth in everything:
        image = folder / "images" / truth.key
        assert image.exists()
        label = Path(str(image).replace("/images/", "/labels/")).with_suffix(".txt")
        rows = [line.split() for line in label.read_text(encoding="utf-8").splitlines()]
        assert len(rows) == len(truth.objects)
        height, width = truth.ids.shape
        for row, segment in zip(rows, truth.objects, strict=True):
            points = np.array(row[1:], np.float32).reshape(-1, 2)
            assert len(points) >= 3
            assert points.min() >= 0
            assert points.max() <= 1
            assert names[int(row[0])] == truth.categories[segment["category_id"]]["name"]
            ring = np.round(points * (width, height))
            assert np.array_equal(filled([ring], truth.ids.shape), truth.mask(segment))


@pytest.mark.parametrize("name", SETS)
def test_geojson_is_a_feature_for_each_segment(name):
    for truth in truths(name):
        found = json.loads((FOLDER / name / "geojson" / f"{truth.key}.geojson").read_text(encoding="utf-8"))
        assert found["type"] == "FeatureCollection"
        assert [feature["id"] for feature in found["features"]] == [one["id"] for one in truth.segments]
        for feature, segment in zip(found["features"], truth.segments, strict=True):
            geometry, about = feature["geometry"], feature["properties"]
            polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
            rings = [ring[:-1] for polygon in polygons for ring in polygon]
            assert np.array_equal(filled(rings, truth.ids.shape), truth.mask(segment))
            assert about["area"] == segment["area"]
            if name == "superpixel":
                assert not about.keys() & {"category", "category_id", "isthing", "score"}
                continue
            assert about["category"] == truth.categories[segment["category_id"]]["name"]
            assert [about[key] for key in ("category_id", "isthing", "score")] == [
                segment[key] for key in ("category_id", "isthing", "score")
            ]


@pytest.mark.parametrize("name", SETS)
def test_pythons_csv_reads_the_table(name):
    text = (FOLDER / name / "csv" / "segments.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    expected = [(truth, segment) for truth in truths(name) for segment in truth.segments]
    assert len(rows) == len(expected)
    for row, (truth, segment) in zip(rows, expected, strict=True):
        assert row["image"] == truth.key
        assert [int(row[key]) for key in ("id", "area")] == [segment[key] for key in ("id", "area")]
        assert [int(row[key]) for key in ("x", "y", "width", "height")] == segment["bbox"]
        assert [float(row[key]) for key in ("centroid_x", "centroid_y")] == segment["centroid"]
        assert [int(row[key]) for key in ("red", "green", "blue")] == segment["mean_color"]
        if name == "superpixel":
            assert "category" not in row
            continue
        assert row["category"] == truth.categories[segment["category_id"]]["name"]
        assert (int(row["category_id"]), row["isthing"] == "true") == (segment["category_id"], segment["isthing"])
        assert float(row["score"]) == segment["score"]


@pytest.mark.parametrize("name", SETS)
def test_the_xml_is_what_cvat_loads(name):
    """As CVAT's `load_anno` reads masks: run lengths row by row in a box, zeros first."""
    root = ElementTree.parse(FOLDER / name / "cvat" / "annotations.xml").getroot()
    everything = truths(name)
    assert root.tag == "annotations"
    assert root.findtext("version") == "1.1"
    assert int(root.findtext("meta/task/size")) == len(everything)
    labels = [label.findtext("name") for label in root.iter("label")]
    known = [one["name"] for _, one in sorted(everything[0].categories.items()) if one["name"] != "background"]
    assert labels == known
    for label in json.loads((FOLDER / name / "cvat" / "labels.json").read_text(encoding="utf-8")):
        assert label["name"] in labels
        assert label["type"] == "mask"
    for number, (image, truth) in enumerate(zip(root.iter("image"), everything, strict=True)):
        assert image.attrib["id"] == str(number)
        assert image.attrib["name"] == truth.key
        assert (int(image.attrib["height"]), int(image.attrib["width"])) == truth.ids.shape
        for mask, segment in zip(image.iter("mask"), truth.objects, strict=True):
            left, top, width, height = (int(mask.attrib[key]) for key in ("left", "top", "width", "height"))
            lengths = [int(length) for length in mask.attrib["rle"].split(",")]
            inside = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(height, width)
            whole = np.zeros(truth.ids.shape, bool)
            whole[top : top + height, left : left + width] = inside
            assert np.array_equal(whole, truth.mask(segment))
            assert mask.attrib["label"] == truth.categories[segment["category_id"]]["name"]
            score = mask.findtext("attribute[@name='score']")
            assert (None if score is None else float(score)) == segment.get("score")


@pytest.mark.parametrize("name", SETS)
def test_the_tasks_are_what_label_studio_imports(name):
    tasks = json.loads((FOLDER / name / "label-studio" / "tasks.json").read_text(encoding="utf-8"))
    config = ElementTree.parse(FOLDER / name / "label-studio" / "labeling-config.xml").getroot()
    control, picture = config.find("PolygonLabels"), config.find("Image")
    labels = {label.attrib["value"] for label in control.iter("Label")}
    assert picture.attrib["value"] == "$image"
    assert control.attrib["toName"] == picture.attrib["name"]
    for task, truth in zip(tasks, truths(name), strict=True):
        assert unquote(task["data"]["image"]) == f"/data/local-files/?d={truth.key}"
        (prediction,) = task["predictions"]
        height, width = truth.ids.shape
        assert len({region["id"] for region in prediction["result"]}) == len(prediction["result"])
        assert {region["id"].split("-")[0] for region in prediction["result"]} == {str(s["id"]) for s in truth.objects}
        for region in prediction["result"]:
            assert region["type"] == "polygonlabels"
            assert region["from_name"] == control.attrib["name"]
            assert region["to_name"] == picture.attrib["name"]
            assert (region["original_width"], region["original_height"]) == (width, height)
        for segment in truth.objects:
            own = [one for one in prediction["result"] if one["id"].split("-")[0] == str(segment["id"])]
            rings = [np.round(np.array(one["value"]["points"]) * (width, height) / 100) for one in own]
            assert np.array_equal(filled(rings, truth.ids.shape), truth.mask(segment))
            for one in own:
                assert one["value"]["polygonlabels"] == [truth.categories[segment["category_id"]]["name"]]
                assert one["value"]["polygonlabels"][0] in labels
                assert one.get("score") == segment.get("score")


@pytest.mark.parametrize("name", SETS)
def test_pillow_reads_the_cutouts(name):
    for truth in truths(name):
        folder = FOLDER / name / "cutouts" / truth.key
        chosen = [
            one
            for one in truth.objects
            if truth.categories[one["category_id"]]["isthing"] or truth.task in ("semantic", "superpixel")
        ]
        files = sorted(folder.iterdir()) if folder.exists() else []
        assert [int(file.name[:4]) for file in files] == [one["id"] for one in chosen]
        for file, segment in zip(files, chosen, strict=True):
            image = Image.open(file)
            assert image.mode == "RGBA"
            x, y, width, height = segment["bbox"]
            box = np.s_[y : y + height, x : x + width]
            inside = truth.mask(segment)[box]
            pixels = np.asarray(image)
            assert np.array_equal(pixels[..., 3], np.where(inside, 255, 0))
            assert np.array_equal(pixels[..., :3], np.where(inside[..., None], truth.rgb[box], 0))
