"""Superpixel metrics on cases counted by hand, and their properties."""

import numpy as np
import pytest
from PIL import Image

from clustseg.bundle.evaluate_superpixels import evaluate_superpixels, split_images
from clustseg.metrics.superpixels import (
    achievable_segmentation_accuracy,
    boundary_map,
    boundary_precision,
    boundary_recall,
    compactness,
    dense_labels,
    dilate,
    joint_histogram,
    perimeters,
    superpixel_metrics,
    undersegmentation_error,
)


def halves(height: int, width: int, column: int) -> np.ndarray:
    """0 left of `column`, 1 from it on."""
    return np.tile((np.arange(width) >= column).astype(np.int32), (height, 1))


def random_map(seed: int, labels: int = 7, shape: tuple[int, int] = (13, 17)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, labels, shape)


def test_joint_histogram_counts_shared_pixels():
    joint = joint_histogram(halves(2, 4, 1), halves(2, 4, 3))
    assert joint.tolist() == [[2, 0], [4, 2]]


def test_joint_histogram_refuses_maps_of_different_shape():
    with pytest.raises(ValueError, match="one shape"):
        joint_histogram(halves(2, 4, 1), halves(4, 2, 1))


def test_labels_are_renumbered_in_their_own_order_however_sparse():
    for far in (9, 60_000, 2**40):
        dense, n = dense_labels(np.array([[5, 5, far], [2, 5, far]]))
        assert dense.tolist() == [[1, 1, 2], [0, 1, 2]]
        assert n == 3


def test_asa_counts_the_largest_region_of_each_superpixel():
    # Superpixels of 2 and 6 pixels in 2 x 4; the second shares 4 pixels with region 0 and 2 with region 1.
    assert achievable_segmentation_accuracy(halves(2, 4, 1), halves(2, 4, 3)) == pytest.approx(6 / 8)


def test_undersegmentation_error_counts_the_smaller_part_for_every_region_overlapped():
    # The second superpixel leaks with min(4, 2) for region 0 and with min(2, 4) for region 1.
    assert undersegmentation_error(halves(2, 4, 1), halves(2, 4, 3)) == pytest.approx(4 / 8)


def test_a_map_that_equals_the_truth_is_perfect():
    truth = random_map(0)
    metrics = superpixel_metrics(truth, [truth])
    assert (metrics.asa, metrics.ue, metrics.br, metrics.bp, metrics.found) == (1, 0, 1, 1, 7)


def test_boundaries_are_one_pixel_wide_left_of_and_above_the_change():
    assert boundary_map(halves(2, 4, 2)).tolist() == [[False, True, False, False]] * 2
    assert boundary_map(halves(2, 4, 2).T).tolist() == [[False] * 2, [True] * 2, [False] * 2, [False] * 2]


def test_dilation_is_a_square_and_ends_at_the_border():
    mask = np.zeros((6, 7), bool)
    mask[1, 5] = True
    expected = np.zeros((6, 7), bool)
    expected[0:4, 3:7] = True
    assert np.array_equal(dilate(mask, 2), expected)
    assert dilate(mask, 100).all()
    assert np.array_equal(dilate(mask, 0), mask)


@pytest.mark.parametrize(("shift", "recall"), [(0, 1), (1, 1), (2, 1), (3, 0)])
def test_boundary_recall_tolerates_two_pixels(shift, recall):
    assert boundary_recall(halves(5, 20, 10 + shift), halves(5, 20, 10)) == recall
    assert boundary_precision(halves(5, 20, 10 + shift), halves(5, 20, 10)) == recall


def test_precision_falls_with_boundaries_that_the_truth_does_not_have():
    superpixels = halves(5, 40, 10) + halves(5, 40, 30)
    assert boundary_recall(superpixels, halves(5, 40, 10)) == 1
    assert boundary_precision(superpixels, halves(5, 40, 10)) == pytest.approx(1 / 2)


def test_nothing_to_find_is_a_full_recall():
    flat = np.zeros((4, 4), int)
    assert boundary_recall(halves(4, 4, 2), flat) == 1
    assert boundary_precision(flat, halves(4, 4, 2)) == 1
    assert boundary_recall(flat, halves(4, 4, 2)) == 0


def test_perimeters_count_pixel_edges_with_the_image_border():
    assert perimeters(np.zeros((3, 4), int)).tolist() == [14]
    assert perimeters(halves(2, 4, 1)).tolist() == [6, 10]
    assert perimeters(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])).tolist() == [16, 4]


def test_compactness_weighs_each_superpixel_with_its_area():
    # 2 x 1 has 4 pi 2 / 6^2 and 2 x 3 has 4 pi 6 / 10^2.
    expected = 2 / 8 * (4 * np.pi * 2 / 36) + 6 / 8 * (4 * np.pi * 6 / 100)
    assert compactness(halves(2, 4, 1)) == pytest.approx(expected)


def test_squares_have_a_compactness_of_a_quarter_pi():
    rows, columns = np.indices((12, 16)) // 4
    assert compactness(rows * 4 + columns) == pytest.approx(np.pi / 4)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_do_not_depend_on_what_labels_are_called(seed):
    labels, truth = random_map(seed, 9), random_map(seed + 100, 4)
    names = np.random.default_rng(seed).permutation(1000)[:9]
    renamed, plain = superpixel_metrics(names[labels], [truth]), superpixel_metrics(labels, [truth])
    for name in ("found", "asa", "ue", "br", "bp", "co"):
        assert getattr(renamed, name) == pytest.approx(getattr(plain, name))


@pytest.mark.parametrize("seed", range(5))
def test_splitting_superpixels_never_lowers_asa_or_recall_nor_raises_the_error(seed):
    labels, truth = random_map(seed, 5), random_map(seed + 100, 3)
    finer = labels * 2 + random_map(seed + 200, 2)
    coarse, fine = superpixel_metrics(labels, [truth]), superpixel_metrics(finer, [truth])
    assert fine.asa >= coarse.asa
    assert fine.ue <= coarse.ue
    assert fine.br >= coarse.br


def test_metrics_are_means_over_annotators():
    labels, truths = random_map(0, 9), [random_map(seed, 4) for seed in (1, 2, 3)]
    together = superpixel_metrics(labels, truths)
    alone = [superpixel_metrics(labels, [truth]) for truth in truths]
    for name in ("asa", "ue", "br", "bp", "co"):
        assert getattr(together, name) == pytest.approx(np.mean([getattr(one, name) for one in alone]))
    assert together.asa == pytest.approx(np.mean([achievable_segmentation_accuracy(labels, one) for one in truths]))
    assert together.ue == pytest.approx(np.mean([undersegmentation_error(labels, one) for one in truths]))
    assert together.br == pytest.approx(np.mean([boundary_recall(labels, one) for one in truths]))
    assert together.bp == pytest.approx(np.mean([boundary_precision(labels, one) for one in truths]))
    assert together.co == pytest.approx(compactness(labels))


def test_an_image_without_annotators_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        superpixel_metrics(random_map(0), [])


@pytest.fixture
def dataset(tmp_path):
    """Two images of 6 x 8 in the layout of BSDS500, with one and two annotators."""
    for folder in ("images", "labels"):
        (tmp_path / "val" / folder).mkdir(parents=True)
    for name, columns in (("a", [4]), ("b", [4, 2])):
        Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / "val" / "images" / f"{name}.jpg")
        for index, column in enumerate(columns):
            truth = (halves(6, 8, column) + 1).astype(np.uint8)
            Image.fromarray(truth).save(tmp_path / "val" / "labels" / f"{name}_{index}.png")
    return tmp_path


@pytest.mark.parametrize("workers", [1, 2])
def test_evaluation_is_the_mean_over_images_of_the_mean_over_annotators(dataset, workers):
    (row,) = evaluate_superpixels(lambda image, asked: halves(*image.shape[:2], 4), dataset, "val", [2], workers=workers)
    # Image a: 1. Image b: 1 and, cut at 2, 6/8. By images (1 + 7/8) / 2, by pairs it would be 11/12.
    assert row["asa"] == pytest.approx(15 / 16, abs=1e-5)
    assert (row["asked"], row["found"], row["found_max"]) == (2, 2, 2)


def test_a_folder_without_images_is_named(dataset):
    assert len(split_images(dataset, "val", limit=1)) == 1
    with pytest.raises(FileNotFoundError, match="test"):
        split_images(dataset, "test")
