"""Measures a network trained from a recipe's file on val:

    python -m clustseg.evaluate_config --config configs/panoptic-coco-r50.json --data … --run runs/panoptic-coco-r50 --json …
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from clustseg.data.root import add_data_argument, existing_root
from clustseg.data.samples import Samples
from clustseg.metrics.coco import CocoScore
from clustseg.model.infer import NO_LABEL
from clustseg.model.universal import UniversalClustSeg, UniversalConfig
from clustseg.training.distributed import join_world
from clustseg.training.evaluate_masks import Graph, evaluate_graph, graph_of, without_specks
from clustseg.training.recipe_files import FileRecipe, MeasuringPlan, SuperpixelRecipe, load_recipe


def at_test_size(graph: Graph, plan: MeasuringPlan) -> Graph:
    """The graph on images scaled as `plan` says; its labels are brought back to the image's size."""
    if not plan.short_side:
        return graph

    def run(image: np.ndarray, task: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        height, width = image.shape[:2]
        scale = plan.short_side / min(height, width)
        if plan.long_side:
            scale = min(scale, plan.long_side / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        labels, class_id, score = graph(np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)), task)
        rows = ((np.arange(height) + 0.5) * size[1] / height).astype(np.int64)
        columns = ((np.arange(width) + 0.5) * size[0] / width).astype(np.int64)
        return labels[rows[:, None], columns], class_id, score

    return run


def evaluate_recipe(network: UniversalClustSeg, recipe: FileRecipe, samples: Samples, limit: int | None) -> dict[str, float]:
    """PQ, mIoU or COCO's AP of the first `limit` images, as `panoptic_pq` and so on."""
    graph = at_test_size(graph_of(network, recipe, recipe.test.threshold), recipe.test)
    if recipe.config.tasks == ("instance",):
        results = {"instance": _average_precision(graph, recipe, samples, limit)}
    else:
        results = evaluate_graph(graph, recipe, samples, limit)
    return {f"{task}_{name}": value for task, result in results.items() for name, value in result.items() if isinstance(value, float)}


def _average_precision(graph: Graph, recipe: FileRecipe, samples: Samples, limit: int | None) -> dict:
    things = recipe.config.things
    score = CocoScore(samples.categories)
    for index in range(len(samples) if limit is None else min(limit, len(samples))):
        sample = samples[index]
        labels, class_id, scores = graph(sample.image, "instance")
        labels = without_specks(labels.astype(np.int64), class_id, things, min_area=16)
        found = [int(one) for one in np.unique(labels) if one != NO_LABEL and things[int(class_id[one])]]
        segments = np.full(labels.shape, -1, np.int32)
        for place, cluster in enumerate(found):
            segments[labels == cluster] = place
        score.add(segments, class_id[found], scores[found], sample)
    return score.result()


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    add_data_argument(parser)
    parser.add_argument("--run", type=Path, required=True, help="folder with checkpoint.pt")
    parser.add_argument("--images", type=int, default=None, help="measure so many images only")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args(given)
    existing_root(arguments.data)
    recipe, device = load_recipe(arguments.config), join_world(arguments.device).device
    saved = torch.load(arguments.run / "checkpoint.pt", map_location="cpu", weights_only=True)
    if isinstance(recipe, SuperpixelRecipe):
        from clustseg.model.network import SuperpixelClustSeg, SuperpixelConfig
        from clustseg.training.superpixels import evaluate

        network = SuperpixelClustSeg(SuperpixelConfig.from_dict(saved["config"]["network"]))
        network.load_state_dict(saved["average"])
        figures = {"rows": evaluate(network.eval().to(device), arguments.data, arguments.images)}
    else:
        samples = recipe.read(arguments.data / recipe.folder, "val")
        recipe = recipe.for_classes(samples.categories)
        network = UniversalClustSeg(UniversalConfig.from_dict(saved["config"]["network"]))
        network.load_state_dict(saved["average"])
        figures = evaluate_recipe(network.eval().to(device), recipe, samples, arguments.images)
    report = {"recipe": recipe.name, "steps": saved["step"], "split": "val", "images": arguments.images, **figures}
    print(json.dumps(report, indent=1))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
