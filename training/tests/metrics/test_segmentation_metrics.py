"""Semantic, instance and panoptic scores: cases counted by hand, and plain loops over the definitions."""

import json
from fractions import Fraction

import numpy as np
import pytest

from clustseg.data.samples import labelled_image
from clustseg.metrics.segmentation import BowlScore, PanopticScore, SemanticScore, joint_areas

CATEGORIES = [
    {"id": 0, "name": "background", "isthing": False, "color": [0, 0, 0]},
    {"id": 1, "name": "cell", "isthing": True, "color": [255, 0, 0]},
    {"id": 2, "name": "leaf", "isthing": True, "color": [0, 255, 0]},
]


def truth_of(segments, categories, crowd=None, name="image"):
    segments = np.array(segments, np.int32)
    return labelled_image(name, np.zeros((*segments.shape, 3), np.uint8), segments, categories, crowd)


def random_truth(random, shape=(9, 11), segments=6, classes=3, name="image"):
    """Blobs of four pixels' grain: background at most once, things, crowds and void."""
    small = random.integers(-1, segments, (-(-shape[0] // 2), -(-shape[1] // 2)))
    ids = np.repeat(np.repeat(small, 2, axis=0), 2, axis=1)[: shape[0], : shape[1]]
    categories = np.append(0, random.integers(1, classes, segments - 1))
    crowd = (random.random(segments) < 0.2) & (categories > 0)
    seen = set()
    for index in np.flatnonzero(crowd):  # one crowd a class, as COCO has it
        crowd[index] = categories[index] not in seen
        seen.add(categories[index])
    return truth_of(ids, categories, crowd, name)


def random_prediction(random, truth, noise=0.25):
    """The truth's segments, renamed, with some pixels and some classes changed; void and crowds get something too."""
    count = len(truth.categories) + 2
    segments = np.where(truth.segments < 0, count - 1, truth.segments)
    wrong = random.random(segments.shape) < noise * random.random()
    segments = np.where(wrong, random.integers(-1, count, segments.shape), segments)
    categories = np.append(truth.categories, random.integers(0, 3, 2))
    mistaken = random.random(count) < 0.15
    categories[mistaken] = random.integers(0, 3, int(mistaken.sum()))
    order = random.permutation(count)
    renamed = np.append(np.argsort(order), -1)[segments]
    return renamed, categories[order]


def masks(segments, count):
    return [set(map(tuple, np.argwhere(np.asarray(segments) == index))) for index in range(count)]


# --- semantic


def test_miou_of_a_case_counted_by_hand():
    truth = truth_of([[0, 0, 1, 1], [0, 0, 1, -1]], [0, 1])
    score = SemanticScore(CATEGORIES)
    # Background 3 of 4 found, one called cell; cell 2 of 3 found, one without class; the void pixel does not count.
    score.add(np.array([[0, 0, 1, 1], [0, 1, -1, 0]]), [0, 1], truth)
    result = score.result()
    assert result["iou"] == {"background": 3 / 4, "cell": 2 / 4, "leaf": None}
    assert result["miou"] == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert result["pixel_accuracy"] == pytest.approx(5 / 7)
    assert result["accuracy"] == {"background": 3 / 4, "cell": pytest.approx(2 / 3), "leaf": None}
    assert result["mean_accuracy"] == pytest.approx((3 / 4 + 2 / 3) / 2)


def test_a_class_that_is_only_predicted_lowers_the_mean():
    score = SemanticScore(CATEGORIES)
    score.add(np.array([[0, 1]]), [0, 2], truth_of([[0, 0]], [0]))
    assert score.result()["iou"] == {"background": 0.5, "cell": None, "leaf": 0.0}
    assert score.result()["miou"] == 0.25
    assert score.result(["background"])["miou"] == 0.5


def test_classes_are_summed_over_images_before_they_are_divided():
    score = SemanticScore(CATEGORIES)
    score.add(np.array([[0, 0]]), [0], truth_of([[0, 0]], [0]))
    score.add(np.array([[0, -1, -1, -1]]), [0], truth_of([[0, 0, 0, 0]], [0]))
    assert score.result()["iou"]["background"] == 3 / 6
    assert score.result()["images"] == 2


def test_segments_of_one_class_are_one_in_the_semantic_score():
    score = SemanticScore(CATEGORIES)
    score.add(np.array([[2, 0, 1]]), [1, 0, 1], truth_of([[0, 1, 2]], [1, 1, 0], [True, False, False]))
    assert score.result()["iou"] == {"background": 1.0, "cell": 1.0, "leaf": None}


@pytest.mark.parametrize("seed", range(5))
def test_miou_equals_a_loop_over_pixels(seed):
    random = np.random.default_rng(seed)
    score, counts = SemanticScore(CATEGORIES), [[0, 0] for _ in CATEGORIES]
    for _ in range(3):
        truth = random_truth(random)
        segments, categories = random_prediction(random, truth)
        score.add(segments, categories, truth)
        for one, other in zip(truth.segments.ravel(), segments.ravel()):
            if one < 0:
                continue
            classes = {int(truth.categories[one]), int(categories[other]) if other >= 0 else None}
            for index in classes - {None}:
                counts[index][1] += 1
                counts[index][0] += len(classes) == 1
    expected = [hits / union for hits, union in counts if union]
    assert score.result()["miou"] == pytest.approx(np.mean(expected))


# --- instances as the Data Science Bowl counts


def test_bowl_score_of_a_case_counted_by_hand():
    truth = truth_of([[1] * 10 + [2] * 10 + [0] * 10], [0, 1, 1])
    predicted = np.full((1, 30), 2)
    predicted[0, :8] = 0  # IoU 8 / 10
    predicted[0, 10:22] = 1  # IoU 10 / 12
    score = BowlScore()
    score.add(predicted, [1, 1, 0], truth)
    result = score.result()
    # .80 is not greater than .80: both are hits at .50-.75, one at .80, none from .85.
    assert list(result["by_threshold"].values()) == pytest.approx([1, 1, 1, 1, 1, 1, 1 / 3, 0, 0, 0])
    assert result["map"] == pytest.approx((6 + 1 / 3) / 10)
    assert (result["ap50"], result["ap75"]) == (1, 1)


def test_an_iou_of_exactly_a_half_is_no_hit():
    score = BowlScore()
    score.add(np.array([[0, -1]]), [1], truth_of([[0, 0]], [1]))
    assert score.result()["ap50"] == 0


@pytest.mark.parametrize(
    ("predicted", "expected"), [([[-1, -1]], 1.0), ([[0, 0]], 1.0), ([[1, 0]], 0.0)], ids=["nothing", "stuff", "false"]
)
def test_an_image_without_objects_scores_one_unless_something_is_found(predicted, expected):
    score = BowlScore()
    score.add(np.array(predicted), [0, 1], truth_of([[0, 0]], [0]))
    assert score.result()["map"] == expected


def test_bowl_scores_are_means_over_images_and_can_be_of_some():
    score = BowlScore()
    score.add(np.array([[0]]), [1], truth_of([[0]], [1], name="found"))
    score.add(np.array([[-1]]), [1], truth_of([[0]], [1], name="missed"))
    assert score.result()["map"] == 0.5
    assert score.result()["per_image"] == {"found": 1.0, "missed": 0.0}
    assert score.result(["found"])["map"] == 1
    assert score.result(["other"])["map"] is None


def test_bowl_score_knows_things_by_the_categories():
    score = BowlScore([{**CATEGORIES[0], "isthing": True}, {**CATEGORIES[1], "isthing": False}])
    score.add(np.array([[0, -1]]), [0], truth_of([[0, 1]], [0, 1]))
    assert score.result()["map"] == 1


def bowl_by_definition(truth, segments, categories, threshold):
    predicted, objects = masks(segments, len(categories)), masks(truth.segments, len(truth.categories))
    void = masks(truth.segments + 1, 1)[0]
    hits, false, missed, matched = 0, 0, 0, set()
    for mask, category, crowd in zip(objects, truth.categories, truth.crowd):
        if category == 0 or crowd:
            continue
        hit = [
            index
            for index, other in enumerate(predicted)
            if categories[index] == category
            and other
            and Fraction(len(mask & other), len((mask | other) - void)) > Fraction(threshold, 100)
        ]
        assert len(hit) <= 1
        matched.update(hit)
        hits, missed = hits + len(hit), missed + 1 - len(hit)
    for index, mask in enumerate(predicted):
        ignored = set(void)
        for other, category, crowd in zip(objects, truth.categories, truth.crowd):
            if crowd and category == categories[index]:
                ignored |= other
        if mask and categories[index] > 0 and index not in matched and 2 * len(mask & ignored) <= len(mask):
            false += 1
    return hits / (hits + false + missed) if hits + false + missed else 1.0


@pytest.mark.parametrize("seed", range(8))
def test_bowl_score_equals_its_definition(seed):
    random = np.random.default_rng(seed)
    truth = random_truth(random)
    segments, categories = random_prediction(random, truth)
    score = BowlScore(CATEGORIES)
    score.add(segments, categories, truth)
    for threshold in range(50, 100, 5):
        expected = bowl_by_definition(truth, segments, categories, threshold)
        assert score.result()["by_threshold"][f"{threshold / 100:.2f}"] == pytest.approx(expected)


# --- panoptic


def test_panoptic_quality_of_a_case_counted_by_hand():
    truth = truth_of([[0] * 4 + [1] * 4 + [2] * 2], [0, 1, 1])
    # Background whole, one pixel too much (4 / 5); the first cell 3 / 4; the second missed; a false leaf.
    score = PanopticScore(CATEGORIES)
    score.add(np.array([[0] * 5 + [1] * 3 + [2] * 2]), [0, 1, 2], truth)
    result = score.result()
    assert result["classes"]["background"] == {"pq": 0.8, "sq": 0.8, "rq": 1.0, "tp": 1, "fp": 0, "fn": 0}
    assert result["classes"]["cell"]["pq"] == pytest.approx(0.75 / 1.5)
    assert result["classes"]["leaf"] == {"pq": 0.0, "sq": 0.0, "rq": 0.0, "tp": 0, "fp": 1, "fn": 0}
    assert result["pq"] == pytest.approx((0.8 + 0.5 + 0) / 3)
    assert result["things"] == {"pq": pytest.approx(0.25), "sq": 0.375, "rq": pytest.approx(1 / 3), "n": 2}
    assert result["stuff"]["pq"] == 0.8
    assert result["n"] == 3
    assert score.result(["cell"])["pq"] == pytest.approx(0.5)


def test_void_is_no_part_of_the_union():
    score = PanopticScore(CATEGORIES)
    score.add(np.array([[0, 0, 0, 0]]), [1], truth_of([[0, 0, -1, -1]], [1]))
    assert score.result()["classes"]["cell"]["pq"] == 1


@pytest.mark.parametrize(("outside", "false"), [(3, 0), (4, 1)])
def test_a_prediction_is_excused_if_more_than_half_is_void_or_crowd(outside, false):
    truth = truth_of([[-1, -1, 0, 0, 1, 1, 1, 1]], [1, 0], [True, False])
    score = PanopticScore(CATEGORIES)
    predicted = np.full((1, 8), -1)
    predicted[0, : 4 + outside] = 0
    score.add(predicted, [1], truth)
    assert score.result()["classes"]["cell"]["fp"] == false
    assert score.result()["classes"]["cell"]["fn"] == 0


def test_a_crowd_excuses_its_own_class_only():
    score = PanopticScore(CATEGORIES)
    score.add(np.array([[0, 0]]), [2], truth_of([[0, 0]], [1], [True]))
    assert score.result()["classes"]["leaf"]["fp"] == 1


class PanopticReference:
    """panopticapi's definition with dictionaries, image by image (its ids are ours + 1, 0 = void or none)."""

    def __init__(self):
        self.stats = {}

    def stat(self, category):
        return self.stats.setdefault(int(category), {"iou": 0.0, "tp": 0, "fp": 0, "fn": 0})

    def add(self, segments, categories, truth):
        truth_ids, found_ids = truth.segments.ravel() + 1, np.asarray(segments).ravel() + 1
        common = {}
        for pair in zip(truth_ids.tolist(), found_ids.tolist()):
            common[pair] = common.get(pair, 0) + 1
        pairs = zip(truth.categories.tolist(), truth.crowd.tolist())
        truths = dict(enumerate(pairs, start=1))
        found = {index + 1: int(category) for index, category in enumerate(categories) if index + 1 in found_ids}
        matched_truth, matched_found = set(), set()
        for (one, other), shared in common.items():
            if one not in truths or other not in found or truths[one][1] or truths[one][0] != found[other]:
                continue
            area = (truth_ids == one).sum() + (found_ids == other).sum()
            iou = shared / (area - shared - common.get((0, other), 0))
            if iou > 0.5:
                self.stat(found[other])["tp"] += 1
                self.stat(found[other])["iou"] += iou
                matched_truth.add(one)
                matched_found.add(other)
        crowds = {}
        for one, (category, crowd) in truths.items():
            if crowd:
                crowds[category] = one
            elif one not in matched_truth:
                self.stat(category)["fn"] += 1
        for other, category in found.items():
            ignored = common.get((0, other), 0) + common.get((crowds.get(category), other), 0)
            if other not in matched_found and ignored / (found_ids == other).sum() <= 0.5:
                self.stat(category)["fp"] += 1

    def quality(self):
        weights = {one: stat["tp"] + stat["fp"] / 2 + stat["fn"] / 2 for one, stat in self.stats.items()}
        return {one: stat["iou"] / weights[one] for one, stat in self.stats.items() if weights[one]}


@pytest.mark.parametrize("seed", range(10))
def test_panoptic_quality_equals_the_reference(seed):
    random = np.random.default_rng(seed)
    score, reference = PanopticScore(CATEGORIES), PanopticReference()
    for _ in range(4):
        truth = random_truth(random)
        segments, categories = random_prediction(random, truth)
        score.add(segments, categories, truth)
        reference.add(segments, categories, truth)
    result, expected = score.result(), reference.quality()
    for index, category in enumerate(CATEGORIES):
        found = result["classes"][category["name"]]
        stat = reference.stat(index)
        assert {key: found[key] for key in ("tp", "fp", "fn")} == {key: stat[key] for key in ("tp", "fp", "fn")}
        assert found["pq"] == (pytest.approx(expected[index]) if index in expected else None)
        if found["tp"]:
            assert found["pq"] == pytest.approx(found["sq"] * found["rq"])
    assert result["pq"] == pytest.approx(np.mean(list(expected.values())))


# --- all


@pytest.mark.parametrize("score", [SemanticScore(CATEGORIES), BowlScore(CATEGORIES), PanopticScore(CATEGORIES)])
def test_every_score_refuses_what_does_not_fit_and_gives_json(score):
    json.dumps(score.result(), allow_nan=False)
    truth = truth_of([[0, 1]], [0, 1])
    with pytest.raises(ValueError, match=r"\[1, 2\] but received \[2, 1\]"):
        score.add(np.array([[0], [0]]), [0], truth)
    with pytest.raises(ValueError, match="have 1 classes"):
        score.add(np.array([[0, 1]]), [0], truth)
    with pytest.raises(ValueError, match="there are 3"):
        score.add(np.array([[0, 0]]), [3], truth)
    with pytest.raises(ValueError, match="integers"):
        score.add(np.array([[0.0, 0.0]]), [0], truth)
    score.add(truth.segments, truth.categories, truth)
    json.dumps(score.result(), allow_nan=False)
    json.dumps(score.result(["cell"]) if not isinstance(score, BowlScore) else score.result(["image"]), allow_nan=False)


@pytest.mark.parametrize("score", [SemanticScore, PanopticScore])
def test_names_that_are_no_class_are_refused(score):
    with pytest.raises(ValueError, match="no class wheel"):
        score(CATEGORIES).result(["wheel"])


def test_joint_areas_count_every_pixel_once():
    random = np.random.default_rng(1)
    truth = random_truth(random)
    segments, categories = random_prediction(random, truth)
    joint = joint_areas(segments, len(categories), truth)
    assert joint.sum() == truth.segments.size
    assert joint[0].sum() == (segments < 0).sum()
    assert joint[:, 0].sum() == (truth.segments < 0).sum()
