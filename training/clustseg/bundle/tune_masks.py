"""Chooses on val what training does not learn: of masks; `clustseg.tune` calls it.

One setting after the other, each at the values below with the others as they stand: how high a peak must be to be a seed,
threshold, mask_threshold, min_area. The best by the mean of the tasks' figures (PQ, mIoU, or the mean of AP50 and AP) goes to
the run's chosen.json, which clustseg.export reads. After clustseg.calibrate, as the threshold is one on calibrated scores.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from clustseg.bundle.export_masks import load_network
from clustseg.bundle.runtime import MaskRuntime
from clustseg.data.root import add_data_argument, recipe_folder
from clustseg.data.samples import Samples
from clustseg.metrics.segmentation import BowlScore, PanopticScore, SemanticScore
from clustseg.model.infer import Chosen, MaskInference
from clustseg.model.universal import Pixels, UniversalClustSeg
from clustseg.training.runs import MaskRun, read_mask_run

GRID: dict[str, tuple[float, ...]] = {
    "seed_threshold": (0.05, 0.1, 0.2, 0.3, 0.4),
    "threshold": (0.3, 0.4, 0.5, 0.6, 0.7),
    # More of either gains a little on val, and loses pixels and small objects that people want: not for a figure.
    "mask_threshold": (0.0,),
    "min_area": (4, 16, 24, 32, 64),
}
ROOM = 3_000_000_000
"""Bytes of features that are kept between settings; of images beyond that they are made anew."""

Setting = dict[str, float]


class Tuner:
    """Figures of a run's network at any setting, over a data set. Tiles of large images are not looked into."""

    def __init__(self, network: UniversalClustSeg, run: MaskRun, samples: Samples) -> None:
        self.network, self.run, self.samples = network, run, samples
        self.categories = [{**one, "id": index} for index, one in enumerate(samples.categories)]
        self._seen: dict[int, Pixels] = {}
        self._room = ROOM
        config = run.recipe.config
        several = sum(config.things) > 1
        self.tasks = [
            task for task in config.tasks if task == "semantic" or (task == "panoptic" and several) or (task == "instance" and not several)
        ]

    def _pixels(self, index: int, image: np.ndarray, inference: MaskInference) -> Pixels:
        if index in self._seen:
            return self._seen[index]
        pixels = self.network.see(inference.prepared(torch.from_numpy(image.copy())[None]))
        size = sum(4 * plane.numel() for plane in pixels.features.values())
        if size <= self._room:
            self._room -= size
            self._seen[index] = pixels
        return pixels

    @torch.no_grad()
    def figures(self, settings: Sequence[Setting]) -> list[dict[str, float]]:
        """The figures of each setting. What differs in min_area only is one run of the graph."""
        kinds = {"semantic": SemanticScore, "panoptic": PanopticScore, "instance": BowlScore}
        scores = [{task: kinds[task](self.categories) for task in self.tasks} for _ in settings]
        for index, sample in enumerate(self.samples):
            runtime = MaskRuntime(self.categories, {"scale": self.run.text.scale}, {}, None)
            image = runtime.fitted(sample.image)
            ran: dict[tuple, tuple[np.ndarray, ...]] = {}
            for setting, of_setting in zip(settings, scores):
                runtime.parameters = {"min_area": setting["min_area"]}
                for task, score in of_setting.items():
                    head = "semantic" if task == "semantic" else "panoptic"
                    of_things = (setting["threshold"], setting["seed_threshold"]) if head == "panoptic" else ()
                    key = (head, setting["mask_threshold"], *of_things)
                    if key not in ran:
                        ran[key] = self._run(index, image, head, setting)
                    objects = runtime.objects_of(*ran[key], task)
                    found = runtime.finished(objects, task, *sample.segments.shape)
                    score.add(found.segments, found.classes, sample)
        return [{task: self._figure(task, score) for task, score in of_setting.items()} for of_setting in scores]

    def _run(self, index: int, image: np.ndarray, head: str, setting: Setting) -> tuple[np.ndarray, ...]:
        chosen = Chosen(self.run.chosen.calibration, setting["seed_threshold"])
        inference = MaskInference(self.network, head, self.run.recipe.normalise, chosen=chosen).eval()
        pixels = self._pixels(index, image, inference)
        limits = (torch.tensor([float(setting[name])]) for name in ("threshold", "mask_threshold"))
        found = inference.head(pixels, torch.from_numpy(image.copy())[None], *limits)
        return tuple(part[0].numpy() for part in (found.labels, found.class_id, found.score))

    def _figure(self, task: str, score) -> float:
        names = list(self.run.recipe.counted) or None
        if task == "instance":
            result = score.result()
            return (result["ap50"] + result["map"]) / 2
        result = score.result(names)
        return result["miou" if task == "semantic" else "pq"] or 0.0


def tune(tuner: Tuner, start: Setting, grid: dict[str, tuple[float, ...]] = GRID) -> tuple[Setting, list[dict]]:
    """The best setting found, and all that were tried as rows."""
    best, rows = dict(start), []
    for name, values in grid.items():
        if name in ("seed_threshold", "threshold") and not tuner.run.recipe.config.has_things:
            continue
        # The one that stands comes first: another must be better, not as good.
        tried = [best, *({**best, name: value} for value in values if value != best[name])]
        figures = tuner.figures(tried)
        means = [float(np.mean(list(one.values()))) for one in figures]
        rows += [
            {"chosen": name, **setting, **{task: round(value, 5) for task, value in one.items()}, "mean": round(mean, 5)}
            for setting, one, mean in zip(tried, figures, means)
        ]
        best = tried[int(np.argmax(np.round(means, 5)))]
    return best, rows


def tune_run(folder: Path, samples: Samples, grid: dict[str, tuple[float, ...]] = GRID) -> dict:
    """Writes and returns chosen.json of a run."""
    path = folder / "chosen.json"
    path.unlink(missing_ok=True)
    run = read_mask_run(folder)
    network, _, _ = load_network(folder)
    start = {name: run.text.defaults[name] for name in ("threshold", "mask_threshold", "min_area")}
    start["seed_threshold"] = run.chosen.seed_threshold
    best, rows = tune(Tuner(network, run, samples), start, grid)
    result = {
        "step": run.step,
        "calibrated": run.calibration is not None,
        "split": "val",
        "images": len(samples),
        "defaults": {"threshold": best["threshold"], "mask_threshold": best["mask_threshold"], "min_area": int(best["min_area"])},
        "seed_threshold": best["seed_threshold"],
        "rows": rows,
    }
    path.write_text(json.dumps(result, indent=1) + "\n")
    return result


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    add_data_argument(parser)
    parser.add_argument("--every", type=int, default=1, help="use every n-th image of val")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args(given)
    torch.set_num_threads(arguments.threads)
    recipe = read_mask_run(arguments.run).recipe
    samples = recipe.read(recipe_folder(arguments.data, recipe.folder), "val")[:: arguments.every]
    result = tune_run(arguments.run, samples)
    for row in result["rows"]:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    print(f"chosen: {result['defaults']}, seeds from {result['seed_threshold']}")


if __name__ == "__main__":
    main()
