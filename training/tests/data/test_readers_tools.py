"""Exports of CVAT and Label Studio, made here as those tools write them."""

import json

import numpy as np
import pytest
from reader_cases import names_of, objects, pixels_of, write_image

from clustseg.data.readers.any import read_any
from clustseg.data.readers.cvat import read_cvat
from clustseg.data.readers.label_studio import decode_brush, read_label_studio
from clustseg.data.readers.shapes import Shape, box, ellipse, paint, placed, polygons, runs
from clustseg.data.readers.sources import ImageFolder, drawn_categories, part_of
from clustseg.data.samples import VOID, DataError, Samples, labelled_image

WHOLE = pixels_of(slice(0, 8), slice(0, 10))


# --- shapes


def test_shapes_cover_what_lies_below():
    categories = drawn_categories(["cell", "road"], stuff=["road"])
    image = np.zeros((1, 8, 3), np.uint8)

    def columns(first, last):
        return box(first, 0, last, 1)

    shapes = [
        Shape(1, columns(0, 3)),
        Shape(2, columns(2, 4)),
        Shape(1, columns(4, 5), group=1),
        Shape(1, columns(6, 7), group=1),
        Shape(2, columns(5, 6)),
        Shape(VOID, columns(6, 8)),
    ]
    sample = paint("x", image, shapes, categories, 0)
    assert sample.semantic.tolist() == [[1, 1, 2, 2, 1, 2, 1, -1]]
    assert sample.segments.tolist() == [[0, 0, 1, 1, 2, 1, 2, -1]]
    assert paint("x", image, shapes[:1], categories, 0).semantic.tolist() == [[1, 1, 1, 0, 0, 0, 0, 0]]
    assert paint("x", image, [], categories, None).segments.tolist() == [[-1] * 8]


def test_crowds_of_a_class_are_one_segment():
    shapes = [Shape(1, box(0, 0, 1, 1), crowd=True), Shape(1, box(2, 0, 3, 1), crowd=True)]
    sample = paint("x", np.zeros((1, 3, 3), np.uint8), shapes, drawn_categories(["cell"]), 0)
    assert sample.segments.tolist() == [[0, 1, 0]]
    assert sample.crowd.tolist() == [True, False]


def test_shapes_are_cut_off_at_the_border():
    assert polygons([[-5, -5, 3, -5, 3, 3, -5, 3]])(4, 5).nonzero()[1].max() == 2
    assert box(-2, 3, 99, 99)(4, 5).sum() == 5
    assert placed(np.ones((3, 3), bool), -1, 3)(4, 5).tolist() == [[False] * 5] * 3 + [
        [True, True, False, False, False]
    ]
    assert not placed(np.ones((3, 3), bool), 9, 9)(4, 5).any()


@pytest.mark.parametrize("degrees", [0, 30, 90])
def test_an_ellipse_has_its_area_and_direction(degrees):
    mask = ellipse(100, 100, 60, 20, degrees)(200, 200)
    assert mask.sum() == pytest.approx(np.pi * 60 * 20, rel=0.01)
    y, x = np.nonzero(mask) - np.array([[99.5], [99.5]])
    along = x * np.cos(np.radians(degrees)) + y * np.sin(np.radians(degrees))
    assert np.abs(along).max() == pytest.approx(60, abs=1)
    assert not ellipse(3, 3, 0, 0)(8, 10).any()


def test_run_lengths_must_fill_their_mask():
    assert runs([1, 2, 3], 2, 3).tolist() == [[False, True, True], [False, False, False]]
    assert runs([1, 2, 3], 2, 3, order="F").tolist() == [[False, True, False], [True, False, False]]
    with pytest.raises(DataError, match="add up to 3, but the mask has 3 x 2 pixels"):
        runs([1, 2], 2, 3)
    with pytest.raises(DataError, match="negative"):
        runs([7, -1], 2, 3)


def test_a_fifth_of_the_images_is_val_in_any_order():
    def load(index):
        return labelled_image(str(index), np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1)), [0])

    names = [f"image {number}" for number in range(25)]
    one, other = Samples(drawn_categories(["a"]), names, load), Samples(drawn_categories(["a"]), names[::-1], load)
    val = part_of(one, "val")
    assert len(val) == 5
    assert set(val.names) == set(part_of(other, "val").names)
    assert sorted(val.names + part_of(one, "train").names) == sorted(names)
    assert part_of(one, None) is one
    assert len(part_of(one.subset([0]), "val")) == 0
    assert len(part_of(one.subset([0, 1]), "val")) == 1


def test_images_are_found_by_the_end_of_their_path(tmp_path):
    for name in ("a/x.png", "b/x.png", "b/y.png"):
        write_image(tmp_path / name, 1, 1)
    folder = ImageFolder(tmp_path)
    assert folder.find("some/where/b/x.png") == tmp_path / "b/x.png"
    assert folder.find("c:\\images\\y.png") == tmp_path / "b/y.png"
    assert folder.find("z.png") is folder.find("") is None
    with pytest.raises(DataError, match=r"2 images are called x\.png"):
        folder.find("c/x.png")


def test_classes_of_tools():
    assert [
        (one["id"], one["name"], one["isthing"]) for one in drawn_categories(["b", "Background", "a"], stuff=["a"])
    ] == [
        (0, "background", False),
        (1, "b", True),
        (2, "a", False),
    ]
    assert [one["id"] for one in drawn_categories(["a", "b"], unlabelled="void")] == [1, 2]
    assert drawn_categories(["a"], [[1, 2, 3]])[1]["color"] == [1, 2, 3]
    with pytest.raises(DataError, match="two classes have one name"):
        drawn_categories(["a", "a"])


# --- CVAT


def cvat(root, shapes, head='<image id="0" name="a.png" width="10" height="8">', labels=("cell", "road")):
    write_image(root / "images/a.png", 8, 10)
    rows = "".join(
        f"<label><name>{name}</name><color>#0a0b0{index}</color></label>" for index, name in enumerate(labels)
    )
    text = f"""<?xml version="1.0" encoding="utf-8"?>
    <annotations><version>1.1</version><meta><task><labels>{rows}
      <label><name>note</name><type>tag</type></label></labels></task></meta>
    {head}{shapes}</image></annotations>"""
    (root / "annotations.xml").write_text(text)
    return root / "annotations.xml"


POLYGON = '<polygon label="cell" points="2.00,1.00;6.00,1.00;6.00,5.00;2.00,5.00" occluded="0" z_order="0"/>'
SQUARE = pixels_of(slice(1, 5), slice(2, 6))


def test_cvat_polygons_and_masks(tmp_path):
    # Rows of a 3 x 2 box at (7, 6): .##  ##.
    mask = '<mask label="road" rle="1, 4, 1" left="7" top="6" width="3" height="2" z_order="0"/>'
    samples = read_cvat(cvat(tmp_path, POLYGON + mask))
    assert samples.categories == [
        {"id": 0, "name": "background", "isthing": False, "color": [0, 0, 0]},
        {"id": 1, "name": "cell", "isthing": True, "color": [10, 11, 0]},
        {"id": 2, "name": "road", "isthing": True, "color": [10, 11, 1]},
    ]
    road = frozenset({(6, 8), (6, 9), (7, 7), (7, 8)})
    assert objects(samples, samples[0]) == {
        ("background", False, WHOLE - SQUARE - road),
        ("cell", False, SQUARE),
        ("road", False, road),
    }


def test_cvat_shapes_lie_by_z_order_and_groups_are_one_object(tmp_path):
    over = '<polygon label="road" points="4,1;8,1;8,5;4,5" z_order="1" group_id="3"/>'
    more = '<polygon label="road" points="0,6;2,6;2,8;0,8" z_order="0" group_id="3"/>'
    samples = read_cvat(cvat(tmp_path, over + POLYGON + more), unlabelled="void")
    right = pixels_of(slice(1, 5), slice(4, 8))
    assert objects(samples, samples[0]) == {
        ("road", False, right | pixels_of(slice(6, 8), slice(0, 2))),
        ("cell", False, SQUARE - right),
    }
    assert names_of(samples) == ["cell", "road"]


def test_cvat_boxes_are_void_and_lines_are_nothing(tmp_path):
    rest = (
        '<box label="cell" xtl="5" ytl="0" xbr="8" ybr="2" z_order="4"/><points label="cell" points="1,1"/>'
        '<polyline label="road" points="0,0;9,7"/><tag label="note"/>'
    )
    samples = read_cvat(cvat(tmp_path, POLYGON + rest))
    void = pixels_of(slice(0, 2), slice(5, 8)) - SQUARE
    assert objects(samples, samples[0]) == {("background", False, WHOLE - SQUARE - void), ("cell", False, SQUARE)}


def test_cvat_ellipses_and_stuff(tmp_path):
    shape = '<ellipse label="road" cx="5" cy="4" rx="2" ry="2"/>'
    samples = read_cvat(cvat(tmp_path, POLYGON + shape + POLYGON.replace("cell", "road")), stuff=["road"])
    assert [one["isthing"] for one in samples.categories] == [False, True, False]
    assert len(samples[0].categories) == 2


def test_cvat_subsets_are_splits(tmp_path):
    path = cvat(tmp_path, POLYGON, '<image id="0" subset="Train" name="sub/a.png" width="10" height="8">')
    assert len(read_cvat(path, "train")) == 1
    write_image(tmp_path / "images/b.png", 8, 10)
    text = path.read_text().replace(
        "</annotations>", '<image id="1" name="b.png" width="10" height="8"/></annotations>'
    )
    path.write_text(text.replace(' subset="Train"', ""))
    assert len(read_any(tmp_path)) == len(read_any(path)) == 2
    assert (len(read_any(path, "train")), len(read_any(path, "val"))) == (1, 1)
    assert read_any(path, keep_empty=False).names == ["a"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (POLYGON.replace("6.00,5.00;", "6.00;"), r"image a\.png: a polygon has 7 numbers"),
        (POLYGON.replace("6.00,5.00;", "6,x;"), r"image a\.png: could not convert"),
        (POLYGON.replace("points", "dots"), r"image a\.png: points is missing"),
        (
            '<mask label="road" rle="1, 4" left="7" top="6" width="3" height="2"/>',
            r"image a\.png: run lengths add up to 5",
        ),
        ('<mask label="road" rle="1, 5" left="7" width="3" height="2"/>', r"image a\.png: top is missing"),
    ],
)
def test_cvat_shapes_that_cannot_be_read_are_named(shape, message, tmp_path):
    with pytest.raises(DataError, match=r"annotations\.xml: " + message):
        read_cvat(cvat(tmp_path, shape))[0]


def test_cvat_files_that_do_not_fit_are_refused(tmp_path):
    path = cvat(tmp_path, '<box label="cell" xtl="0" ytl="0" xbr="1" ybr="1"/>')
    with pytest.raises(DataError, match="no polygon, mask or ellipse"):
        read_cvat(path)
    write_image(tmp_path / "images/a.png", 3, 3)
    with pytest.raises(DataError, match=r"a\.png: is 3 x 3 pixels but was annotated as 10 x 8"):
        read_cvat(cvat_again(path))[0]
    for text, message in (
        ("<annotations><track/></annotations>", "tracks of a video"),
        ("<annotations></annotations>", "has no images"),
        ("<html/>", "begins with <html>"),
        ("PK\x03\x04", "is not XML"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=rf"annotations\.xml: .*{message}"):
            read_cvat(path)
    with pytest.raises(DataError, match="no such file; unpack"):
        read_cvat(tmp_path / "none")
    cvat(tmp_path, POLYGON.replace("cell", "road"), '<image id="0" name="c.png" width="10" height="8">')
    with pytest.raises(DataError, match=r"1 of 1 images are not in .*: c\.png"):
        read_cvat(path)


def cvat_again(path):
    path.write_text(path.read_text().replace("</image>", f"{POLYGON}</image>"))
    return path


# --- Label Studio


def encode_brush(values, widths=(3, 4, 8, 16), literals=True):
    """thi.ng's rle-pack as Label Studio writes it: runs, and blocks of single values."""
    values = [int(value) for value in values]
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{width - 1:04b}" for width in widths)

    def block(run, length, payload):
        which = next(index for index, width in enumerate(widths) if length <= 1 << width)
        return f"{run}{which:02b}{length - 1:0{widths[which]}b}" + "".join(f"{value:08b}" for value in payload)

    at = 0
    single: list[int] = []
    while at < len(values):
        end = at
        while end < len(values) and values[end] == values[at] and end - at < 1 << widths[-1]:
            end += 1
        if end - at == 1 and literals:
            single.append(values[at])
        else:
            if single:
                bits, single = bits + block(0, len(single), single), []
            bits += block(1, end - at, values[at : at + 1])
        at = end
    if single:
        bits += block(0, len(single), single)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[index : index + 8], 2) for index in range(0, len(bits), 8)]


def brush_of(mask, alpha=255):
    pixels = np.zeros((*np.shape(mask), 4), np.uint8)
    pixels[np.asarray(mask, bool)] = (180, 20, 7, alpha)
    return encode_brush(pixels.ravel())


def test_brush_code_by_hand():
    # 5 values of 8 bits, widths 1, 1, 1, 2; a block of two single values (7, 9), then a run of three 255.
    bits = f"{5:032b}" + "00111" + "0000" * 3 + "0001"
    bits += "0" + "00" + "1" + f"{7:08b}{9:08b}" + "1" + "11" + "10" + "11111111"
    bits += "0" * (-len(bits) % 8)
    code = [int(bits[index : index + 8], 2) for index in range(0, len(bits), 8)]
    assert decode_brush(code).tolist() == [7, 9, 255, 255, 255]


@pytest.mark.parametrize("literals", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_brush_code_comes_back(seed, literals):
    random = np.random.default_rng(seed)
    values = np.repeat(random.integers(0, 256, 60), random.choice([1, 1, 2, 9, 300], 60)).astype(np.uint8)
    assert np.array_equal(decode_brush(encode_brush(values, literals=literals)), values)
    long = np.zeros(200_000, np.uint8)
    assert np.array_equal(decode_brush(encode_brush(long)), long)


def test_broken_brush_code_is_refused():
    code = encode_brush([1] * 40)
    with pytest.raises(DataError, match="ends early"):
        decode_brush(code[:-2])
    with pytest.raises(DataError, match="ends early"):
        decode_brush([])
    code[3] = 20  # announces fewer values than there are
    with pytest.raises(DataError, match="more than the 20 values"):
        decode_brush(code)
    code[4] |= 0x80
    with pytest.raises(DataError, match="values of 24 bits"):
        decode_brush(code)


def region(kind, value, label="cell", **more):
    return {
        "id": "r1",
        "type": kind,
        "original_width": 10,
        "original_height": 8,
        "image_rotation": 0,
        "value": {**value, kind: [label]},
        **more,
    }


# The square of columns 2-5 and rows 1-4 in percents of 10 x 8.
PERCENTS = {"points": [[20, 12.5], [60, 12.5], [60, 62.5], [20, 62.5]], "closed": True}


def label_studio(root, *results, image="/data/upload/1/0a1b2c3d-a.png", **annotation):
    write_image(root / "images/a.png", 8, 10)
    task = {"id": 1, "data": {"image": image}, "annotations": [{"result": list(results), **annotation}]}
    (root / "export.json").write_text(json.dumps([task]))
    return root / "export.json"


def test_label_studio_polygons_and_brushes(tmp_path):
    mask = np.zeros((8, 10), bool)
    mask[4:7, 5:9] = True
    brush = region("brushlabels", {"format": "rle", "rle": brush_of(mask, alpha=120)}, "road")
    samples = read_any(label_studio(tmp_path, region("polygonlabels", PERCENTS), brush))
    assert [(one["id"], one["name"]) for one in samples.categories] == [(0, "background"), (1, "cell"), (2, "road")]
    road = pixels_of(slice(4, 7), slice(5, 9))
    assert objects(samples, samples[0]) == {
        ("background", False, WHOLE - SQUARE - road),
        ("cell", False, SQUARE - road),  # later regions lie on top
        ("road", False, road),
    }


def test_label_studio_classes_can_be_given_and_be_stuff(tmp_path):
    path = label_studio(
        tmp_path, region("polygonlabels", PERCENTS), region("polygonlabels", {"points": [[0, 0], [10, 0], [10, 50]]})
    )
    samples = read_label_studio(
        path, images=tmp_path / "images", classes=["road", "cell"], stuff=["cell"], unlabelled="void"
    )
    assert [(one["id"], one["name"], one["isthing"]) for one in samples.categories] == [
        (1, "road", True),
        (2, "cell", False),
    ]
    assert samples[0].categories.tolist() == [1]
    with pytest.raises(DataError, match="has the class cell, which is not among road"):
        read_label_studio(path, images=tmp_path / "images", classes=["road"])


def test_label_studio_labels_can_be_a_result_of_their_own(tmp_path):
    bare = {"id": "r1", "type": "polygon", "original_width": 10, "original_height": 8, "value": PERCENTS}
    labelled = {**bare, "type": "labels", "value": {**PERCENTS, "labels": ["cell"]}}
    samples = read_any(label_studio(tmp_path, bare, labelled))
    assert ("cell", False, SQUARE) in objects(samples, samples[0])
    assert len(samples[0].categories) == 2


def test_label_studio_ellipses_rectangles_and_the_rest(tmp_path):
    results = [
        region("ellipselabels", {"x": 50, "y": 50, "radiusX": 20, "radiusY": 25, "rotation": 0}),
        region("rectanglelabels", {"x": 0, "y": 0, "width": 20, "height": 25, "rotation": 0}, "road"),
        region("keypointlabels", {"x": 5, "y": 5}, "road"),
        {"id": "c", "type": "choices", "value": {"choices": ["good"]}},
    ]
    samples = read_any(label_studio(tmp_path, *results))
    assert names_of(samples) == ["background", "cell"]
    cell = next(pixels for name, _, pixels in objects(samples, samples[0]) if name == "cell")
    assert len(cell) == 12 and (4, 5) in cell
    assert {tuple(one) for one in np.argwhere(samples[0].segments == -1)} == pixels_of(slice(0, 2), slice(0, 2))


@pytest.mark.parametrize(
    "image",
    [
        "/data/upload/1/0a1b2c3d-a.png",
        "/data/local-files/?d=images/a.png",
        "s3://bucket/some/a.png",
        "https://example.org/x/%61.png?token=1",
        "a.png",
    ],
)
def test_label_studio_images_are_found_by_name(image, tmp_path):
    assert len(read_any(label_studio(tmp_path, region("polygonlabels", PERCENTS), image=image))) == 1


def test_label_studio_takes_the_annotation_that_counts(tmp_path):
    def annotation(points, **more):
        return {"result": [region("polygonlabels", {"points": points})], **more}

    small, large = [[0, 0], [20, 0], [20, 25], [0, 25]], PERCENTS["points"]
    write_image(tmp_path / "images/a.png", 8, 10)
    cases = [
        ([annotation(small, updated_at="2024-01-02"), annotation(large, updated_at="2024-01-03")], 16),
        ([annotation(small, ground_truth=True), annotation(large, updated_at="2024-01-03")], 4),
        ([annotation(small), annotation(large, was_cancelled=True)], 4),
    ]
    for annotations, area in cases:
        tasks = [
            {"id": 1, "data": {"image": "a.png"}, "annotations": annotations},
            {"id": 2, "data": {}, "annotations": []},
        ]
        (tmp_path / "export.json").write_text(json.dumps(tasks))
        samples = read_any(tmp_path / "export.json")
        assert len(samples) == 1
        assert sorted(samples[0].areas) == sorted([area, 80 - area])


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (region("polygonlabels", PERCENTS, image_rotation=90), "region r1 of task 1: the image was turned"),
        (region("brushlabels", {"format": "rle", "rle": [1, 2]}), "region r1 of task 1: the brush mask ends early"),
        (region("brushlabels", {"format": "rle", "rle": brush_of([[1]])}), "its mask has 4 values, but 10 x 8 pixels"),
        (region("brushlabels", {"format": "png", "rle": []}), "of format png"),
        (region("polygonlabels", {"points": [[1, 2, 3]]}), "region r1 of task 1: "),
        (region("bitmasklabels", {"imageDataURL": "data:"}), "is a bitmask, which is not read"),
        ({**region("polygonlabels", PERCENTS), "value": PERCENTS}, "has no label"),
    ],
)
def test_label_studio_regions_that_cannot_be_read_are_named(result, message, tmp_path):
    path = label_studio(tmp_path, {**region("polygonlabels", PERCENTS), "id": "r0"}, result)
    with pytest.raises(DataError, match=rf"export\.json: .*{message}"):
        read_any(path)[0]


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([1], "no Label Studio export"),
        ([{"id": 1, "image": "a.png", "label": []}], "export as JSON, not as JSON-MIN"),
        ([{"data": {"image": "a.png"}, "predictions": []}], "submit its predictions in Label Studio, then export"),
        ([{"id": 1, "data": {"image": "a.png"}, "annotations": []}], "none of its 1 tasks has a submitted annotation"),
        ([{"id": 1, "data": {"image": "a.png"}, "annotations": [{"result": []}]}], "has no labelled polygon"),
    ],
)
def test_label_studio_files_that_do_not_fit_are_refused(tasks, message, tmp_path):
    path = label_studio(tmp_path)
    path.write_text(json.dumps(tasks))
    with pytest.raises(DataError, match=rf"export\.json: .*{message}"):
        read_any(path)


def test_label_studio_images_that_are_missing_are_named(tmp_path):
    path = label_studio(tmp_path, region("polygonlabels", PERCENTS), image="/data/upload/0a1b2c3d-b.png")
    with pytest.raises(DataError, match=r"1 of 1 images are not in .*0a1b2c3d-b\.png"):
        read_any(path)


def test_any_refuses_other_files(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match=r"a\.txt: expected a folder, CVAT's"):
        read_any(tmp_path / "a.txt")
    with pytest.raises(DataError, match="there is no such file"):
        read_any(tmp_path / "none.json")
