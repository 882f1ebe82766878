"""Fits what a score means, on val: `python -m clustseg.calibrate --run runs/photo`.

A cluster's score becomes the probability that its segment is right: that its IoU with an object (of things) or with the region
(of classes) of its class is above 1/2. Two numbers for each kind of cluster (Platt 1999), written to the run's calibration.json,
which clustseg.export builds into the graph. The expected calibration error is given before and after, the latter cross-validated:
each image's scores by numbers fitted without it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from clustseg.bundle.export_masks import load_network
from clustseg.bundle.runtime import MaskRuntime
from clustseg.data.root import add_data_argument, recipe_folder
from clustseg.data.samples import LabelledImage, Samples, index_values, labelled_image
from clustseg.metrics.segmentation import overlaps
from clustseg.model.infer import Calibration, Chosen, MaskInference
from clustseg.model.universal import UniversalClustSeg
from clustseg.training.runs import MaskRun, read_mask_run

# Below this raw score a thing is hardly ever one; those above are let in and judged.
LOWEST = 0.1
# Fewer clusters than this, or fewer than so many right or wrong ones, fit nothing.
FEWEST, FEWEST_EACH = 30, 5
FOLDS = 5


@dataclass
class Judged:
    """Clusters of one kind: raw score, right or wrong, and the image that each is of."""

    scores: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    images: list[int] = field(default_factory=list)


def judge(network: UniversalClustSeg, run: MaskRun, samples: Samples) -> dict[str, Judged]:
    """All clusters of a data set by kind: "semantic", "stuff", "things"."""
    config = run.recipe.config
    heads = list(dict.fromkeys("semantic" if task == "semantic" else "panoptic" for task in config.tasks))
    chosen = Chosen(seed_threshold=run.chosen.seed_threshold)
    inferences = {head: MaskInference(network, head, run.recipe.normalise, chosen=chosen).eval() for head in heads}
    low, none = torch.tensor([LOWEST]), torch.tensor([0.0])

    @torch.no_grad()
    def graph(image: np.ndarray, task: str) -> tuple[np.ndarray, ...]:
        found = inferences[task](torch.from_numpy(image.copy())[None], low, none)
        return tuple(part[0].numpy() for part in (found.labels, found.class_id, found.score))

    runtime = MaskRuntime(
        [{**one, "id": index} for index, one in enumerate(samples.categories)],
        {"scale": run.text.scale},
        {"min_area": run.text.defaults.get("min_area", 0)},
        graph,
    )
    judged: dict[str, Judged] = {}
    for index, sample in enumerate(samples):
        for head in heads:
            found = runtime.segment(sample.image, head)
            truth = one_segment_a_class(sample) if head == "semantic" else sample
            pairs = overlaps(found.segments, found.classes, truth)
            right = (pairs.same & (2 * pairs.shared > pairs.union)).any(axis=1)
            for place, category in enumerate(found.classes):
                if pairs.excused[place] and not right[place]:
                    continue
                kind = "semantic" if head == "semantic" else "things" if config.things[category] else "stuff"
                rows = judged.setdefault(kind, Judged())
                rows.scores.append(float(found.scores[place]))
                rows.right.append(bool(right[place]))
                rows.images.append(index)
    return judged


def one_segment_a_class(sample: LabelledImage) -> LabelledImage:
    """The sample as the semantic task has it."""
    segments, classes = index_values(sample.semantic + 1, sample.semantic < 0)
    return labelled_image(sample.name, sample.image, segments, classes - 1)


def fit_platt(scores: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """(a, b) of sigmoid(a logit(score) + b) by Newton's method on Platt's smoothed targets; a >= 0.1, so that order is kept."""
    inside = scores.clip(1e-4, 1 - 1e-4)
    x = np.stack([np.log(inside / (1 - inside)), np.ones(len(inside))], axis=1)
    yes, no = int(right.sum()), int((~right).sum())
    target = np.where(right, (yes + 1) / (yes + 2), 1 / (no + 2))
    # A little weight pulls towards leaving scores as they are: few clusters say little.
    prior, weight = np.array([1.0, 0.0]), np.array([1.0, 0.1])
    pair = prior.copy()
    for _ in range(50):
        chance = 1 / (1 + np.exp(-x @ pair))
        gradient = x.T @ (chance - target) + weight * (pair - prior)
        curve = (x * (chance * (1 - chance))[:, None]).T @ x + np.diag(weight)
        step = np.linalg.solve(curve, gradient)
        pair = pair - np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    return max(0.1, round(float(pair[0]), 4)), round(float(pair[1]), 4)


def platt(scores: np.ndarray, pair: tuple[float, float]) -> np.ndarray:
    """infer.calibrated, on arrays."""
    inside = scores.clip(1e-4, 1 - 1e-4)
    return 1 / (1 + np.exp(-(pair[0] * np.log(inside / (1 - inside)) + pair[1])))


def log_loss(chances: np.ndarray, right: np.ndarray) -> float:
    """Mean negative log likelihood."""
    inside = chances.clip(1e-4, 1 - 1e-4)
    return float(-np.log(np.where(right, inside, 1 - inside)).mean())


def calibration_error(chances: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Naeini et al. 2015) over bins of equal width: mean |share of right ones - mean chance|, weighted."""
    place = np.minimum((chances * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums, hits = np.bincount(place, chances, bins), np.bincount(place, right.astype(float), bins)
    return float(np.abs(sums - hits).sum() / max(1, counts.sum()))


def fitted(judged: dict[str, Judged]) -> dict:
    """What calibration.json holds beside the step: pairs by kind, and what they are worth."""
    pairs: dict[str, tuple[float, float]] = {}
    rows = []
    for kind, clusters in judged.items():
        scores, right, images = np.array(clusters.scores), np.array(clusters.right, bool), np.array(clusters.images)
        row = {"kind": kind, "clusters": len(scores), "right": int(right.sum()), "error_before": calibration_error(scores, right)}
        if len(scores) < FEWEST or min(right.sum(), (~right).sum()) < FEWEST_EACH:
            rows.append({**row, "error_after": row["error_before"], "note": "too few to fit"})
            continue
        pair = fit_platt(scores, right)
        held_out = np.zeros(len(scores))
        for fold in range(FOLDS):
            own = images % FOLDS == fold
            if own.any() and not own.all():
                held_out[own] = platt(scores[own], fit_platt(scores[~own], right[~own]))
            else:
                held_out[own] = platt(scores[own], pair)
        if log_loss(held_out, right) >= log_loss(scores, right):
            rows.append({**row, "error_after": row["error_before"], "note": "no better, scores stay"})
            continue
        pairs[kind] = pair
        rows.append({**row, "error_after": calibration_error(held_out, right)})
    for row in rows:
        row |= {name: round(row[name], 4) for name in ("error_before", "error_after")}
    return {"method": "Platt", "pairs": Calibration(**pairs).to_dict(), "kinds": rows}


def calibrate_run(folder: Path, samples: Samples) -> dict:
    """Writes and returns calibration.json of a run."""
    path = folder / "calibration.json"
    path.unlink(missing_ok=True)
    (folder / "chosen.json").unlink(missing_ok=True)  # was chosen for other scores
    run = read_mask_run(folder)
    network, _, _ = load_network(folder)
    result = {"step": run.step, "split": "val", "images": len(samples), **fitted(judge(network, run, samples))}
    path.write_text(json.dumps(result, indent=1) + "\n")
    return result


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    add_data_argument(parser)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args(given)
    torch.set_num_threads(arguments.threads)
    recipe = read_mask_run(arguments.run).recipe
    samples = recipe.read(recipe_folder(arguments.data, recipe.folder), "val")
    for row in calibrate_run(arguments.run, samples)["kinds"]:
        print(
            f"{row['kind']}: {row['clusters']} clusters, {row['right']} right; calibration error {row['error_before']:.3f} -> "
            f"{row['error_after']:.3f}{', ' + row['note'] if 'note' in row else ''}"
        )


if __name__ == "__main__":
    main()
