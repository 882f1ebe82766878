"""The ablation of the semantic task: `python -m clustseg.study.ablate_masks --out results/ablation-semantic.json`.

Every row is a run of its own on CamVid train from the same ImageNet encoder with the same seed, crops and number of steps, far
shorter than the bundle's, measured on the first images of CamVid val. Rows differ from the first in one switch. Runs that are
there already are not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from clustseg.data.root import add_data_argument, existing_root
from clustseg.losses.mask_objective import Batches, MaskObjective, class_weights
from clustseg.model.universal import UniversalClustSeg
from clustseg.study.rows import measure_rows
from clustseg.training.evaluate_masks import evaluate_masks
from clustseg.training.masks import trainer_of
from clustseg.training.recipes import RECIPES, Recipe

# name -> what differs in the network's configuration, and the weight of the E-steps before the last.
ROWS: dict[str, tuple[dict[str, object], float | None]] = {
    "RCA, T = 3, class memory": ({}, None),
    "T = 1": ({"steps": 1}, None),
    "T = 2": ({"steps": 2}, None),
    "vanilla cross-attention": ({"attention": "vanilla"}, None),
    "learned free queries": ({"start": "free"}, None),
    "last E-step supervised only": ({}, 0.0),
}


def recipe_of(row: str) -> Recipe:
    """The street recipe with small crops and the row's switch."""
    switches, deep_supervision = ROWS[row]
    street = RECIPES["street"]
    weights = street.weights if deep_supervision is None else replace(street.weights, deep_supervision=deep_supervision)
    return replace(
        street,
        config=replace(street.config, **switches),
        augment=replace(street.augment, crop=(160, 224)),
        points=12000,
        weights=weights,
    )


def run_row(row: str, arguments: argparse.Namespace) -> dict:
    recipe = recipe_of(row)
    run = arguments.runs / row.replace(" ", "-").replace(",", "").replace("=", "")
    result = run / "result.json"
    if result.exists():
        return json.loads(result.read_text())
    torch.manual_seed(1)
    root = existing_root(arguments.data) / recipe.folder
    samples = recipe.read(root, "train", cache=True)
    val = recipe.read(root, "val", cache=True)
    network = UniversalClustSeg(recipe.config)
    network.encoder.load_imagenet()
    trainer = trainer_of(network.to(memory_format=torch.channels_last), recipe, row, run, 0, arguments.iterations)
    batches = Batches(samples, recipe, None, 1 + trainer.step)
    objective = MaskObjective(network, recipe, class_weights(samples, recipe.balance), 1)
    trainer.fit(lambda: objective(next(batches), trainer.progress))
    scores = evaluate_masks(trainer.average, recipe, val, limit=arguments.images)
    found = {"name": row, "steps": trainer.step, "seconds": round(trainer.seconds), "val": scores}
    result.write_text(json.dumps(found) + "\n")
    return found


def format_rows(rows: list[dict]) -> str:
    """A Markdown table."""
    lines = ["| variant | mIoU | pixel accuracy |", "|---|---|---|"]
    for row in rows:
        lines.append(f"| {row['name']} | {row['val']['semantic_miou']:.3f} | {row['val']['semantic_pixel_accuracy']:.3f} |")
    return "\n".join(lines)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation-semantic"))
    parser.add_argument("--out", type=Path, default=Path("results/ablation-semantic.json"))
    add_data_argument(parser)
    parser.add_argument("--iterations", type=int, default=250)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args(given)
    torch.set_num_threads(arguments.threads)
    about = {"data": "CamVid", "split": "val", "images": arguments.images, "iterations": arguments.iterations}
    measure_rows((run_row(name, arguments) for name in ROWS), format_rows, about, arguments.out)


if __name__ == "__main__":
    main()
