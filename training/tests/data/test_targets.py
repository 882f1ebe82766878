"""What is learnt from a crop, and which object each seed belongs to."""

import numpy as np
import pytest
import torch

from clustseg.data.samples import labelled_image
from clustseg.data.targets import IGNORED, centre_map_target, crop_targets, label_planes, match_seeds

THINGS = (False, True, True)


def crop(segments, categories, crowd=None, min_area: int = 1):
    segments = np.array(segments)
    image = np.zeros((*segments.shape, 3), np.uint8)
    sample = labelled_image("crop", image, segments, categories, crowd)
    return crop_targets(torch.from_numpy(label_planes(sample)).long(), sample, THINGS, min_area)


def boxes(height: int = 32, width: int = 32, places=((4, 4), (20, 18)), side: int = 8):
    segments = np.zeros((height, width), int)
    for index, (y, x) in enumerate(places):
        segments[y : y + side, x : x + side] = index + 1
    return crop(segments, [0] + [1 + index % 2 for index in range(len(places))])


def test_objects_stuff_void_and_crowds_are_told_apart():
    target = crop([[0, 0, 1, 1], [2, 2, 3, -1]], [0, 1, 2, 1], [False, False, False, True])
    assert target.semantic.tolist() == [[0, 0, 1, 1], [2, 2, 1, -1]]
    assert target.objects.tolist() == [[-1, -1, 0, 0], [1, 1, IGNORED, IGNORED]]
    assert target.classes.tolist() == [1, 2]
    torch.testing.assert_close(target.sizes, torch.tensor([2.0, 2.0]).sqrt())


def test_objects_of_which_too_little_is_left_are_not_known():
    target = crop([[0, 1, 2, 2, 2, 2]], [0, 1, 2], min_area=3)
    assert target.objects.tolist() == [[-1, IGNORED, 0, 0, 0, 0]]
    assert target.classes.tolist() == [2]
    assert target.semantic.tolist() == [[0, 1, 2, 2, 2, 2]]  # its class is known all the same


def test_a_crop_without_objects_has_none():
    target = crop(np.zeros((4, 4)), [0])
    assert (target.objects == -1).all() and target.middles.shape == (0, 2)
    heights, known = centre_map_target(target, 2)
    assert heights.max() == 0 and known.all()
    match = match_seeds(torch.zeros(2, 2), target, 2, 8, np.random.default_rng(0), predicted=True)
    assert len(match.cells) == len(match.owner) == len(match.known) == 0


def test_a_middle_lies_on_its_object_even_on_a_ring():
    y, x = np.mgrid[:21, :21]
    far = np.hypot(y - 10, x - 10)
    segments = ((far < 10) & (far > 6)).astype(int)
    target = crop(segments, [0, 1])
    row, column = target.middles[0].long()
    assert target.objects[row, column] == 0
    disc = crop((far < 10).astype(int), [0, 1])
    assert disc.middles[0].tolist() == [10, 10]


def test_the_centre_map_is_one_at_middles_and_falls_off_with_the_objects_size():
    target = boxes(48, 48, ((8, 8), (20, 24)), side=16)
    heights, known = centre_map_target(target, 2)
    assert known.all() and heights.shape == (24, 24)
    rows, columns = (heights > 0.999).nonzero(as_tuple=True)
    middles = (target.middles / 2).long()
    assert sorted(zip(rows.tolist(), columns.tolist())) == sorted(map(tuple, middles.tolist()))
    row, column = middles[0].tolist()
    sigma = 0.12 * 16 / 2
    assert float(heights[row, column + 1]) == pytest.approx(np.exp(-0.5 / sigma**2), abs=1e-6)
    assert float(heights[row + 1, column + 1]) == pytest.approx(np.exp(-1 / sigma**2), abs=1e-6)
    tiny = boxes(48, 48, ((8, 8),), side=2)
    assert float(centre_map_target(tiny, 2)[0].max()) == 1.0


def test_the_centre_map_is_not_known_where_objects_are_not():
    target = crop(np.repeat([[0] * 4 + [1] * 4 + [-1] * 4], 8, axis=0), [0, 1], [False, True])
    _, known = centre_map_target(target, 4)
    assert known.tolist() == [[True, False, False]] * 2


def seeds_at(*places, size=(16, 16)):
    heights = torch.zeros(size)
    for number, (row, column) in enumerate(places):
        heights[row, column] = 0.9 - 0.1 * number
    return heights


def test_a_seed_belongs_to_the_object_it_lies_in_and_duplicates_to_none():
    target = boxes()  # in cells of 2 pixels: rows 2..5 and 10..13
    heights = seeds_at((3, 3), (5, 5), (11, 10), (0, 15))
    match = match_seeds(heights, target, 2, 8, np.random.default_rng(0), predicted=True)
    assert match.cells.tolist() == [3 * 16 + 3, 5 * 16 + 5, 11 * 16 + 10, 15]
    assert match.owner.tolist() == [0, -1, 1, -1]  # the second peak of object 0 and the one on the ground get none
    assert match.known.all()


def test_the_highest_peak_of_an_object_is_its_seed():
    match = match_seeds(seeds_at((5, 5), (3, 3)), boxes(), 2, 8, np.random.default_rng(0), predicted=True)
    assert match.owner.tolist()[:2] == [0, -1] and match.cells[0] == 5 * 16 + 5


@pytest.mark.parametrize("predicted", [True, False])
def test_objects_without_a_peak_get_a_seed_inside(predicted):
    target = boxes(64, 64, [(4, 4), (4, 40), (30, 8), (44, 44), (50, 20)], side=9)
    for seed in range(20):
        match = match_seeds(seeds_at((3, 3), size=(32, 32)), target, 2, 8, np.random.default_rng(seed), predicted)
        assert sorted(match.owner[match.owner >= 0].tolist()) == [0, 1, 2, 3, 4]
        objects = target.objects[1::2, 1::2].reshape(-1)
        owned = match.owner >= 0
        assert torch.equal(objects[match.cells[owned]], match.owner[owned])


def test_no_more_seeds_than_may_be():
    target = boxes(64, 64, [(4, 4), (4, 40), (30, 8), (44, 44), (50, 20)], side=9)
    match = match_seeds(torch.zeros(32, 32), target, 2, 3, np.random.default_rng(0), predicted=True)
    assert match.owner.tolist() == [0, 1, 2]
    peaks = seeds_at((0, 0), (0, 5), (0, 10), (0, 15), size=(32, 32))
    assert len(match_seeds(peaks, target, 2, 3, np.random.default_rng(0), predicted=True).cells) == 3


def test_seeds_where_nothing_is_annotated_are_not_judged():
    segments = np.zeros((16, 16), int)
    segments[:, 8:] = -1
    match = match_seeds(seeds_at((2, 2), (2, 6), size=(8, 8)), crop(segments, [0]), 2, 8, np.random.default_rng(0), predicted=True)
    assert match.owner.tolist() == [-1, -1] and match.known.tolist() == [True, False]
