"""Connectivity against the plain version of the algorithm, and the properties that a segment map has."""

import numpy as np
import pytest
from connectivity_cases import FIXTURE, NONE, fixture_text, named_cases, plain_connectivity

from clustseg.bundle.connectivity import enforce_connectivity, minimum_area


@pytest.mark.parametrize(("name", "labels", "min_area"), named_cases(), ids=[case[0] for case in named_cases()])
def test_named_cases_give_what_the_plain_algorithm_gives(name, labels, min_area):
    found = enforce_connectivity(np.array(labels, np.uint16), min_area)
    assert found.tolist() == plain_connectivity(labels, min_area)


def test_the_fixture_that_typescript_reads_is_current():
    assert FIXTURE.read_text() == fixture_text(), "run: python tests/connectivity_cases.py"


@pytest.mark.parametrize("seed", range(60))
def test_random_maps_give_what_the_plain_algorithm_gives(seed):
    random = np.random.default_rng(seed)
    shape = random.integers(1, 16, 2)
    labels = random.integers(0, random.integers(1, 6), shape).astype(np.uint16)
    labels[random.random(shape) < random.choice([0, 0.1, 0.5])] = NONE
    if seed % 2:
        labels = labels.repeat(2, axis=0).repeat(3, axis=1)
    min_area = int(random.integers(0, 12))
    assert enforce_connectivity(labels, min_area).tolist() == plain_connectivity(labels.tolist(), min_area)


@pytest.mark.parametrize("seed", range(5))
def test_segments_are_connected_large_enough_and_without_gaps(seed):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 5, (10, 12)).repeat(5, axis=0).repeat(5, axis=1).astype(np.uint16)
    labels[random.random(labels.shape) < 0.1] = 9
    segments = enforce_connectivity(labels, 20)
    assert np.bincount(segments.reshape(-1))[0] == 0
    assert np.bincount(segments.reshape(-1))[1:].min() >= 20
    # In a map of connected, gap-free segments in raster order there is nothing left to do.
    assert np.array_equal(enforce_connectivity(segments, 20), segments)


def test_ids_do_not_depend_on_what_labels_are_called():
    random = np.random.default_rng(1)
    labels = random.integers(0, 6, (20, 20)).astype(np.uint16)
    names = random.permutation(60_000)[:6].astype(np.uint16)
    assert np.array_equal(enforce_connectivity(names[labels], 5), enforce_connectivity(labels, 5))


def test_the_minimum_area_is_a_part_of_the_mean_area_of_the_seeds_found():
    labels = np.array([[0, 0, 7, 7], [NONE, NONE, 65_534, 65_534]], np.uint16).repeat(10, axis=1)
    assert minimum_area(labels, 0.0625) == 1  # 80 pixels, 3 seeds: 80 / 3 / 16 = 1.67
    assert minimum_area(np.full((2, 2), NONE, np.uint16), 0.0625) == 0
