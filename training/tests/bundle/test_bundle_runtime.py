"""What is around the graph: cleaning, tiles and frames, as the runtime has them (test/segments has the same cases)."""

import numpy as np
import pytest

from clustseg.bundle.cleaning import clean_objects
from clustseg.bundle.components import NO_LABEL
from clustseg.bundle.mask_tiles import ObjectCanvas, Objects, Tile, plan_tiles
from clustseg.bundle.runtime import MaskRuntime, smooth_labels

CATEGORIES = [
    {"id": 0, "name": "background", "isthing": False, "color": [0, 0, 0]},
    {"id": 7, "name": "cell", "isthing": True, "color": [9, 9, 9]},
    {"id": 9, "name": "grass", "isthing": False, "color": [9, 9, 9]},
]


def clean(lines: list[str], dropped: str = "", **options) -> list[str]:
    """Cleans a drawing: upper case letters are things, lower case ones stuff, "." is none."""
    letters = sorted(set("".join(lines)) - {"."})
    labels = np.array([[NO_LABEL if one == "." else letters.index(one) for one in line] for line in lines])
    countable = np.array([letter.isupper() for letter in letters])
    gone = np.array([letter in dropped for letter in letters])
    options = {"min_area": 0, "overlap_threshold": 0.0, **options}
    cleaned = clean_objects(labels, countable, dropped=gone, **options)
    return ["".join("." if one == NO_LABEL else letters[one] for one in row) for row in cleaned]


@pytest.mark.parametrize(
    ("before", "options", "after"),
    [
        (["aaaabbb", "aaxxbbb", "aaaabbb"], {"min_area": 3}, ["aaaabbb", "aaaabbb", "aaaabbb"]),
        (["......", ".Xaaa.", "......"], {"min_area": 2}, ["......", "..aaa.", "......"]),
        (["aabbaa", "aabbaa"], {"min_area": 3}, ["aabbaa", "aabbaa"]),
        (["AAbbAAb", "AAbbbbb", "bbbbAAb"], {"min_area": 3, "overlap_threshold": 0.5}, ["AAbbbbb", "AAbbbbb", "bbbbbbb"]),
        (["AAbbAAb", "AAbbbbb", "bbbbAAb"], {"min_area": 3, "overlap_threshold": 0.51}, ["bbbbbbb", "bbbbbbb", "bbbbbbb"]),
        (["AAbb", "AAbb"], {"dropped": "A"}, ["bbbb", "bbbb"]),
        (["AABB", "AABB"], {"dropped": "AB"}, ["....", "...."]),
        (["AAAA", "AbAA", "AAAA"], {"min_area": 2}, ["AAAA", "AAAA", "AAAA"]),
        (["aabcccc"], {"min_area": 4}, ["ccccccc"]),
        (["aa"], {"min_area": 100}, ["aa"]),
    ],
)
def test_pieces_that_are_too_small_go_to_their_neighbours(before, options, after):
    assert clean(before, **options) == after


def test_a_thing_has_no_pieces_below_a_tenth_of_its_largest_but_stuff_has():
    lines = ["AAAAAAAAAAAbbbAA", "AAAAAAAAAAAbbbAb", "bbbbbbbbbbbbbbbb", "bAAbbbbbbbbbbbbb"]
    assert clean(lines) == [*lines[:3], "bbbbbbbbbbbbbbbb"]
    as_stuff = [line.lower() for line in lines]
    assert clean(as_stuff) == as_stuff


def test_labels_are_enlarged_with_smooth_edges():
    labels = np.array([[1, 2, 2, 2], [1, 1, 2, 2], [1, 1, 1, 2], [1, 1, 1, 1]])
    large = smooth_labels(labels, 12, 12)
    ones = [int(np.argmax(row == 2)) if (row == 2).any() else -1 for row in large]
    assert ones == [3, 3, 4, 5, 6, 7, 8, 9, 10, -1, -1, -1]
    assert smooth_labels(labels, 4, 4) is labels
    assert np.array_equal(smooth_labels(large, 4, 4), labels)


def test_tiles_are_nearly_equal_and_seams_lie_in_the_middle_of_overlaps():
    tiles = plan_tiles(500, 1000, side=512, overlap=96, align=32)
    assert [(t.area[1].start, t.area[1].stop, t.core[1].start, t.core[1].stop) for t in tiles] == [
        (0, 384, 0, 336), (288, 704, 336, 656), (608, 1000, 656, 1000),
    ]  # fmt: skip
    assert all(tile.area[0] == slice(0, 500) for tile in tiles)
    assert len(plan_tiles(50, 5000, 512, 96)) == 1


@pytest.mark.parametrize(("height", "width"), [(700, 300), (513, 513), (1200, 900)])
def test_cores_cover_the_picture_once(height, width):
    covered = np.zeros((height, width), int)
    for tile in plan_tiles(height, width, 256, 64):
        covered[tile.core] += 1
        assert all(own.start >= seen.start and own.stop <= seen.stop for own, seen in zip(tile.core, tile.area))
        assert all(seen.stop - seen.start <= 256 and seen.start % 32 == 0 for seen in tile.area)
    assert (covered == 1).all()


def discs(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture whose red value is the object of a pixel: discs, some on seams, on background."""
    y, x = np.mgrid[:height, :width]
    objects = np.zeros((height, width), np.int32)
    for number, (row, column) in enumerate([(60, 128), (128, 60), (160, 165), (40, 40), (200, 128)]):
        objects[np.hypot(y - row, x - column) < 24] = number + 1
    image = np.repeat((objects * 40)[..., None], 3, axis=2).astype(np.uint8)
    return image, objects, y


def by_colour(image: np.ndarray, task: str):
    """A graph that takes each colour as a cluster: background first, then one a disc with a score."""
    values, labels = np.unique(image[..., 0], return_inverse=True)
    if values[0] != 0:
        values, labels = np.insert(values, 0, 0), labels + 1
    class_id = np.array([0] + [7] * (len(values) - 1))
    return labels.reshape(image.shape[:2]), class_id, np.where(class_id, 0.9, 0.99)


@pytest.mark.parametrize("task", ["panoptic", "instance"])
def test_an_object_on_a_seam_is_one_object(task):
    image, objects, _ = discs(256, 256)
    policy = {"scale": {"mode": "native"}, "mask_tile": {"side": 160, "overlap": 64, "align": 32}}
    assert len(plan_tiles(256, 256, 160, 64)) == 4
    found = MaskRuntime(CATEGORIES, policy, {"min_area": 4}, by_colour).segment(image, task)
    whole = MaskRuntime(CATEGORIES, {}, {"min_area": 4}, by_colour).segment(image, task)
    assert len(found.classes) == len(whole.classes) == (6 if task == "panoptic" else 5)
    for index in range(len(whole.classes)):
        own = np.unique(found.segments[whole.segments == index])
        assert len(own) == 1 and (found.segments == own[0]).sum() == (whole.segments == index).sum()
    assert ((found.segments == -1) == (objects == 0)).all() if task == "instance" else (found.segments >= 0).all()
    np.testing.assert_allclose(np.sort(found.scores), np.sort(whole.scores))


def test_two_tiles_do_not_join_what_overlaps_too_little():
    canvas = ObjectCanvas(4, 12)
    left, right = np.full((4, 8), NO_LABEL), np.full((4, 8), NO_LABEL)
    left[:, 2:6], right[:, 1:5] = 0, 0  # columns 2..5 and 5..8 of the picture: of columns 4..7 only column 5 is common
    one = (np.array([1]), np.array([0.5]), np.array([True]), np.array([False]))
    rows = slice(0, 4)
    canvas.add(Tile((rows, slice(0, 8)), (rows, slice(0, 6))), Objects(left, *one))
    canvas.add(Tile((rows, slice(4, 12)), (rows, slice(6, 12))), Objects(right, *one))
    found = canvas.finish()
    assert found.labels[0].tolist() == [NO_LABEL] * 2 + [0] * 4 + [1] * 3 + [NO_LABEL] * 3


def test_images_are_fitted_to_the_long_side_and_back():
    seen = []

    def graph(image, task):
        seen.append(image.shape)
        return by_colour(np.where(image > 128, 200, 0), task)

    image = np.zeros((100, 150, 3), np.uint8)
    image[30:70, 60:110] = 255
    found = MaskRuntime(CATEGORIES, {"scale": {"mode": "fit", "long_side": 75}}, {}, graph).segment(image, "instance")
    assert seen == [(50, 75, 3)] and found.segments.shape == (100, 150)
    rows, columns = np.nonzero(found.segments == 0)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (30, 70, 60, 110)
    assert found.classes.tolist() == [1]


def test_clusters_become_segments_by_the_task():
    labels = np.array([[0, 1, 1, 2], [0, 3, 3, 2]])
    class_id, scores = np.array([0, 7, 9, 7]), np.array([0.9, 0.8, 0.7, 0.3])

    def found(task, **parameters):
        runtime = MaskRuntime(CATEGORIES, {}, parameters, lambda image, task: (labels, class_id, scores))
        return runtime.segment(np.zeros((2, 4, 3), np.uint8), task)

    assert found("panoptic").classes.tolist() == [0, 1, 2, 1]
    assert found("panoptic", threshold=0.5).segments.tolist() == [[0, 1, 1, 2], [0, -1, -1, 2]]
    semantic = found("semantic", threshold=0.5)  # objects of a class are one, whatever their score
    assert semantic.classes.tolist() == [0, 1, 2] and semantic.segments[1].tolist() == [0, 1, 1, 2]
    assert semantic.scores[1] == pytest.approx(0.55)
    assert found("instance").segments.tolist() == [[-1, 0, 0, -1], [-1, 1, 1, -1]]
