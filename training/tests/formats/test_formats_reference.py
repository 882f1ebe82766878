"""The result formats against their reference readers: pycocotools, Pillow, and polygons by the pixel centres they hold.

test/segments reproduces the fixtures byte by byte in TypeScript, so what is read here is what it writes.
"""

import io
import json

import numpy as np
import pytest
from formats_cases import FOLDER, fixtures, geojson_text, named_maps, pieces_of, rings_of, twice_area, voc_colors
from matplotlib.path import Path as Outline
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

CURRENT = fixtures()


def cases(file, part="cases"):
    return [pytest.param(case, id=case["name"]) for case in json.loads(CURRENT[file])[part]]


def ids_of(case):
    return np.array(case["ids"], np.uint16).reshape(case["height"], case["width"])


def inside(rings, shape):
    """Which pixels have their centres inside an odd number of the rings."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    centres = np.stack([x.ravel(), y.ravel()], axis=1) + 0.5
    odd = np.zeros(len(centres), bool)
    for ring in rings:
        odd ^= Outline(ring, closed=True).contains_points(centres)
    return odd.reshape(shape)


@pytest.mark.parametrize("file", CURRENT)
def test_the_fixtures_that_typescript_reads_are_current(file):
    assert (FOLDER / file).read_text(encoding="utf-8") == CURRENT[file], "run: python tests/formats_cases.py"


@pytest.mark.parametrize("case", cases("rle.json", "maps"))
def test_pycocotools_decodes_each_segment(case):
    ids = ids_of(case)
    for number, segment in enumerate(case["segments"], start=1):
        mask = coco_mask.decode({"size": list(ids.shape), "counts": segment["counts"]})
        assert np.array_equal(mask, ids == number)
        assert segment["area"] == mask.sum()


@pytest.mark.parametrize("case", cases("coco.json"))
def test_pycocotools_loads_the_coco_file(case, tmp_path):
    ids = ids_of(case)
    (tmp_path / "segments.coco.json").write_text(case["text"], encoding="utf-8")
    coco = COCO(tmp_path / "segments.coco.json")
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == [case["file_name"]]
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["superpixel"]
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=[1], iscrowd=False))
    assert [annotation["id"] for annotation in annotations] == list(range(1, int(ids.max()) + 1))
    for annotation in annotations:
        mask = coco.annToMask(annotation)
        rows, columns = np.nonzero(mask)
        assert np.array_equal(mask, ids == annotation["id"])
        assert annotation["area"] == mask.sum()
        x, y, width, height = annotation["bbox"]
        assert (x, y, x + width - 1, y + height - 1) == (columns.min(), rows.min(), columns.max(), rows.max())


@pytest.mark.parametrize("case", cases("geojson.json"))
def test_polygons_hold_the_centres_of_their_segments_pixels_and_no_others(case):
    ids = ids_of(case)
    found = json.loads(case["text"])
    assert found["type"] == "FeatureCollection"
    assert found["image"]["file_name"] == case["file_name"]
    assert not {"coordinates", "geometries", "geometry", "properties"} & found.keys()  # RFC 7946, section 7.1
    assert [feature["id"] for feature in found["features"]] == list(range(1, int(ids.max()) + 1))
    for feature in found["features"]:
        geometry = feature["geometry"]
        several = geometry["type"] == "MultiPolygon"
        polygons = geometry["coordinates"] if several else [geometry["coordinates"]]
        rings = [ring for polygon in polygons for ring in polygon]
        assert np.array_equal(inside(rings, ids.shape), ids == feature["id"])
        assert sum(map(twice_area, rings)) == 2 * feature["properties"]["area"]
        for exterior, *holes in polygons:
            assert twice_area(exterior) > 0
            assert all(twice_area(hole) < 0 for hole in holes)
            assert all(ring[0] == ring[-1] for ring in [exterior, *holes])


@pytest.mark.parametrize("seed", range(20))
def test_the_plain_outlines_are_simple_rings(seed):
    random = np.random.default_rng(seed)
    mask = random.random(random.integers(1, 14, 2)) < random.choice([0.4, 0.6, 0.8])
    for piece in pieces_of(mask):
        for ring in rings_of(piece):
            corners = [tuple(corner) for corner in ring[:-1]]
            assert len(set(corners)) == len(corners)


def test_pillow_reads_the_palette_and_its_indices():
    fixture = json.loads(CURRENT["palette.json"])
    for case in fixture["cases"]:
        image = Image.open(io.BytesIO(bytes.fromhex(case["png"])))
        assert image.mode == "P"
        assert np.asarray(image).reshape(-1).tolist() == case["indices"]
        assert image.getpalette() == voc_colors().reshape(-1).tolist()


def test_the_palette_is_pascal_vocs():
    known = {1: (128, 0, 0), 2: (0, 128, 0), 15: (192, 128, 128), 20: (0, 64, 128), 255: (224, 224, 192)}
    for index, color in known.items():
        assert tuple(voc_colors()[index]) == color


def test_file_names_are_written_as_they_are():
    line = geojson_text(named_maps()["one pixel"], "übung.png").splitlines()[0]
    assert '"file_name":"übung.png"' in line
