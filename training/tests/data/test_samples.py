"""The labelled image, its scaling, and the lazy sequence of them."""

import numpy as np
import pytest
from PIL import Image
from reader_cases import write_image

from clustseg.data.readers.files import image_paths, read_ids, read_rgb
from clustseg.data.samples import DataError, LabelledImage, Samples, index_values, labelled_image, scaled, voc_color

CATEGORIES = [
    {"id": 0, "name": "background", "isthing": False, "color": [0, 0, 0]},
    {"id": 7, "name": "cell", "isthing": True, "color": [9, 9, 9]},
]


def sample_of(segments, categories, crowd=None, name="one"):
    segments = np.array(segments, np.int32)
    image = np.arange(segments.size * 3, dtype=np.uint8).reshape(*segments.shape, 3)
    return labelled_image(name, image, segments, categories, crowd)


def test_areas_and_classes_of_pixels():
    sample = sample_of([[0, 0, -1], [1, 2, 2]], [0, 1, 1])
    assert sample.areas.tolist() == [2, 1, 2]
    assert sample.semantic.tolist() == [[0, 0, -1], [1, 1, 1]]


def test_segments_without_pixels_are_left_out():
    sample = sample_of([[3, -1, 1]], [0, 1, 0, 1], [False, True, False, False])
    assert sample.segments.tolist() == [[1, -1, 0]]
    assert sample.categories.tolist() == [1, 1]
    assert sample.crowd.tolist() == [True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((2, 3), np.uint8)}, r"image uint8 \[H, W, 3\] but received uint8 \[2, 3\]"),
        ({"image": np.zeros((2, 3, 3), np.float32)}, "image uint8"),
        ({"image": np.zeros((3, 2, 3), np.uint8)}, "the image is 2 x 3 but its segments are 3 x 2"),
        ({"segments": np.zeros((2, 3), np.int64)}, "segments int32"),
        ({"segments": np.full((2, 3), 2, np.int32)}, "segments are 2..2, but there are 2 of them"),
        ({"segments": np.full((2, 3), -2, np.int32)}, "-2"),
        ({"categories": np.array([0, -1])}, "not negative"),
        ({"categories": np.array([0.0, 1.0])}, "categories int64"),
        ({"crowd": np.array([False])}, r"crowd bool \[S\]"),
    ],
)
def test_invalid_samples_are_refused_with_their_name(change, message):
    fields = {
        "image": np.zeros((2, 3, 3), np.uint8),
        "segments": np.zeros((2, 3), np.int32),
        "categories": np.array([0, 1]),
        "crowd": np.zeros(2, bool),
    }
    LabelledImage("photo", **fields)
    with pytest.raises(DataError, match="^photo: .*" + message):
        LabelledImage("photo", **{**fields, **change})


@pytest.mark.parametrize("offset", [0, 2_000_000])
def test_index_values_ranks_distinct_values(offset):
    values = np.array([[5, 9, 5], [0, 9, 7]]) + offset
    segments, distinct = index_values(values, values == offset)
    assert segments.tolist() == [[0, 2, 0], [-1, 2, 1]]
    assert (distinct - offset).tolist() == [5, 7, 9]
    assert index_values(values, np.ones_like(values, bool))[0].tolist() == [[-1] * 3] * 2


def test_scaling_keeps_the_pixel_under_each_new_centre():
    sample = sample_of(np.repeat(np.repeat([[0, 1], [-1, 2]], 6, axis=0), 6, axis=1), [0, 1, 1])
    small = scaled(sample, 4)
    assert small.segments.tolist() == [[0, 0, 1, 1]] * 2 + [[-1, -1, 2, 2]] * 2
    assert small.image.shape == (4, 4, 3)
    assert scaled(sample, 12) is sample


def test_scaling_leaves_out_what_vanishes_and_keeps_the_ratio():
    segments = np.zeros((40, 100), np.int32)
    segments[0, 0] = 1
    small = scaled(sample_of(segments, [0, 1]), 10)
    assert small.segments.shape == (4, 10)
    assert small.categories.tolist() == [0]


def samples_of(many, **options):
    """Samples of `many` images and the list of those that were read."""
    read = []

    def load(index):
        read.append(index)
        segments = np.zeros((2, 4), np.int32)
        segments[0, index % 4] = -1
        return sample_of(segments, [0], name=str(index))

    return Samples(CATEGORIES, [str(index) for index in range(many)], load, **options), read


def test_samples_are_read_when_asked_for():
    samples, read = samples_of(5)
    assert (len(samples), read) == (5, [])
    assert samples[-1].name == "4"
    assert samples[1].segments[0].tolist() == [0, -1, 0, 0]
    assert read == [4, 1]
    with pytest.raises(IndexError):
        samples[5]


def test_a_cache_reads_once_and_gives_the_same():
    plain, _ = samples_of(3, long_side=3)
    cached, read = samples_of(3, long_side=3, cache=True)
    for _ in range(2):
        for one, other in zip(cached, plain):
            assert one.name == other.name
            assert one.segments.dtype == np.int32
            for field in ("image", "segments", "categories", "crowd"):
                assert np.array_equal(getattr(one, field), getattr(other, field))
    assert read == [0, 1, 2]


@pytest.mark.parametrize("count", [255, 256, 300, 70_000])
def test_a_cache_keeps_any_number_of_segments(count):
    side = 300
    segments = np.minimum(np.arange(side * side).reshape(side, side), count) - 1
    samples = Samples(CATEGORIES, ["one"], lambda index: sample_of(segments, [1] * count), cache=True)
    samples[0]
    assert np.array_equal(samples[0].segments, segments)


def test_slices_and_subsets_are_samples_of_their_own():
    samples, _ = samples_of(6)
    part = samples[1::2]
    assert [one.name for one in part] == part.names == ["1", "3", "5"]
    assert part.categories == CATEGORIES
    assert [one.name for one in samples.subset([4, 0])] == ["4", "0"]


@pytest.mark.parametrize(
    ("categories", "message"),
    [([0, 0], "more than one segment"), ([0, 2], "class 2 of 2")],
    ids=["stuff twice", "unknown"],
)
def test_samples_that_do_not_fit_the_classes_are_refused(categories, message):
    samples = Samples(CATEGORIES, ["one"], lambda index: sample_of([[0, 1]], categories))
    with pytest.raises(DataError, match=f"one: .*{message}"):
        samples[0]


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.array([[7]], np.uint8), [7, 7, 7]),
        (np.array([[[7, 8, 9, 255]]], np.uint8), [7, 8, 9]),
        (np.array([[[7, 8, 9, 0]]], np.uint8), [255, 255, 255]),
        (np.array([[[50, 0]]], np.uint8), [255, 255, 255]),
        (np.array([[0x1234]], np.uint16), [0x12, 0x12, 0x12]),
        (np.array([[True]]), [255, 255, 255]),
    ],
    ids=["grey", "opaque", "transparent", "grey and alpha", "16 bits", "1 bit"],
)
def test_any_picture_becomes_rgb(pixels, expected, tmp_path):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    rgb = read_rgb(tmp_path / "a.png")
    assert (rgb.dtype, rgb.tolist()) == (np.uint8, [[expected]])


def test_images_are_turned_upright_unless_the_annotation_has_them_as_stored(tmp_path):
    image = Image.fromarray(np.zeros((2, 5, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    assert read_rgb(tmp_path / "a.jpg").shape == (5, 2, 3)
    assert read_rgb(tmp_path / "a.jpg", (2, 5)).shape == (5, 2, 3)
    assert read_rgb(tmp_path / "a.jpg", (5, 2)).shape == (2, 5, 3)
    with pytest.raises(DataError, match=r"a\.jpg: is 2 x 5 pixels but was annotated as 4 x 4"):
        read_rgb(tmp_path / "a.jpg", (4, 4))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_label_maps_keep_their_values(dtype, tmp_path):
    ids = np.array([[0, 3], [255, 100 if dtype == np.uint8 else 40_000]], dtype)
    Image.fromarray(ids).save(tmp_path / "ids.tif")
    assert read_ids(tmp_path / "ids.tif", (2, 2)).tolist() == ids.tolist()


def test_label_maps_of_a_palette_give_indices(tmp_path):
    image = Image.fromarray(np.array([[0, 2], [255, 1]], np.uint8), mode="P")
    image.putpalette([value for index in range(256) for value in voc_color(index)])
    image.save(tmp_path / "ids.png")
    assert read_ids(tmp_path / "ids.png").tolist() == [[0, 2], [255, 1]]


def test_unreadable_files_are_named_with_what_to_do(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnot an image")
    write_image(tmp_path / "colour.png", 2, 3)
    cases = [
        (read_rgb, "broken.png", "cannot be read as an image.*replace"),
        (read_rgb, "none.png", "missing; put it there"),
        (read_ids, "broken.png", "cannot be read as a label map.*save it"),
        (read_ids, "none.png", "missing; add it"),
        (read_ids, "colour.png", "one channel.*found RGB; save"),
    ]
    for read, name, message in cases:
        with pytest.raises(DataError, match=f"{name}: .*{message}"):
            read(tmp_path / name)
    Image.fromarray(np.zeros((1, 1), np.uint8)).save(tmp_path / "small.png")
    with pytest.raises(DataError, match="small.png: the label map is 1 x 1 but its image is 3 x 2"):
        read_ids(tmp_path / "small.png", (3, 2))


def test_folders_of_images_are_listed_by_name(tmp_path):
    for name in ("b.png", "a.JPG", ".hidden", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in image_paths(tmp_path)] == ["a.JPG", "b.png"]
    (tmp_path / "b.jpg").touch()
    with pytest.raises(DataError, match="same name"):
        image_paths(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        image_paths(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        image_paths(tmp_path / "empty")


def test_voc_colours():
    assert [voc_color(index) for index in (0, 1, 2, 15, 20, 255)] == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [192, 128, 128],
        [0, 64, 128],
        [224, 224, 192],
    ]
