"""COCO's average precision on segment maps: cases by hand, and pycocotools driven by files."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from test_segmentation_metrics import CATEGORIES, random_prediction, random_truth, truth_of

from clustseg.metrics.coco import CocoScore


def test_a_perfect_prediction_has_average_precision_one():
    score = CocoScore(CATEGORIES)
    truth = truth_of([[0, 0, 1, 1, 2]], [0, 1, 2])
    score.add(truth.segments, truth.categories, [1, 0.9, 0.8], truth)
    result = score.result()
    assert result["ap"] == pytest.approx(1)
    assert result["classes"] == {"cell": pytest.approx(1), "leaf": pytest.approx(1)}
    assert result["ap_large"] is None
    json.dumps(result, allow_nan=False)


def test_average_precision_of_a_case_counted_by_hand():
    # Two cells; the better scored prediction is false, the second has IoU 3 / 4, the other cell is missed.
    truth = truth_of([[0] * 4 + [1] * 4 + [2] * 4], [1, 1, 0])
    score = CocoScore(CATEGORIES)
    score.add(np.array([[0] * 3 + [-1] * 5 + [1] * 4]), [1, 1], [0.4, 0.9], truth)
    # Precision 1 / 2 up to recall .50 (51 of 101 points), at the six thresholds .50-.75.
    assert score.result()["ap50"] == pytest.approx(51 / 101 / 2)
    assert score.result()["ap"] == pytest.approx(51 / 101 / 2 * 6 / 10)


def test_void_is_taken_out_of_predictions():
    score = CocoScore(CATEGORIES)
    score.add(np.array([[0, 0, 0, 1]]), [1, 1], [0.5, 0.9], truth_of([[0, 0, -1, -1]], [1]))
    assert score.result()["ap"] == pytest.approx(1)


def test_more_objects_than_cocos_hundred_can_be_counted():
    ids = np.arange(120).reshape(8, 15)
    truth = truth_of(ids, [1] * 120)
    results = []
    for most in (100, 500):
        score = CocoScore(CATEGORIES, max_detections=most)
        score.add(ids, [1] * 120, np.linspace(0, 1, 120), truth)
        results.append(score.result()["recall"])
    assert results == [pytest.approx(100 / 120), pytest.approx(1)]


def test_mismatched_predictions_are_refused():
    truth = truth_of([[0, 1]], [0, 1])
    with pytest.raises(ValueError, match="2 predicted classes but 1 scores"):
        CocoScore(CATEGORIES).add(truth.segments, [0, 1], [0.5], truth)
    with pytest.raises(ValueError, match="shape"):
        CocoScore(CATEGORIES).add(truth.segments.T, [0, 1], [0.5, 0.5], truth)


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_pycocotools_on_coco_files(seed, tmp_path, capsys):
    random = np.random.default_rng(seed)
    score, images, truths, predictions = CocoScore(CATEGORIES), [], [], []
    for image in range(1, 4):
        truth = random_truth(random)
        segments, categories = random_prediction(random, truth)
        segments = np.where(truth.segments < 0, -1, segments)  # COCO's files have no void
        scores = random.random(len(categories))
        score.add(segments, categories, scores, truth)
        images.append({"id": image, "width": 11, "height": 9})
        for index, (category, crowd) in enumerate(zip(truth.categories, truth.crowd)):
            if category:
                row = annotation(truth.segments == index, image, category)
                truths.append({**row, "id": len(truths) + 1, "iscrowd": int(crowd)})
        for index, category in enumerate(categories):
            if category and (segments == index).any():
                predictions.append({**annotation(segments == index, image, category), "score": scores[index]})
    classes = [{"id": one["id"], "name": one["name"]} for one in CATEGORIES if one["isthing"]]
    (tmp_path / "truth.json").write_text(json.dumps({"images": images, "annotations": truths, "categories": classes}))
    (tmp_path / "found.json").write_text(json.dumps(predictions))

    coco = COCO(tmp_path / "truth.json")
    evaluation = COCOeval(coco, coco.loadRes(str(tmp_path / "found.json")), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    result = score.result()
    names = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
    assert [-1 if result[name] is None else result[name] for name in names] == pytest.approx(evaluation.stats[:6])
    assert result["recall"] == pytest.approx(evaluation.stats[8])


def annotation(mask, image, category):
    code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    box = coco_mask.toBbox(code).tolist()
    rle = {"size": code["size"], "counts": code["counts"].decode()}
    return {"image_id": image, "category_id": int(category), "segmentation": rle, "area": int(mask.sum()), "bbox": box}
