"""A mask bundle's figures in model.json, and its model card: `python -m clustseg.card --bundle ../models/clustseg-street`, after
clustseg.evaluate has written results/.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from clustseg.bundle.card_superpixels import HEADLINE, at_found, quality_table
from clustseg.bundle.card_superpixels import NAMES as SUPERPIXEL_NAMES
from clustseg.bundle.evaluate_masks import table
from clustseg.bundle.text import BUNDLES

NAMES = {
    "miou": "mIoU", "pixel_accuracy": "pixel accuracy", "mean_accuracy": "mean accuracy of classes", "pq": "PQ", "sq": "SQ", "rq": "RQ",
    "pq_things": "PQ of things", "ap50": "AP at IoU .5 (Data Science Bowl)", "ap75": "AP at IoU .75 (Data Science Bowl)",
    "map": "AP over IoU .5:.95 (Data Science Bowl)", "coco_ap": "AP (COCO)", "coco_ap50": "AP50 (COCO)", "coco_ap75": "AP75 (COCO)",
}  # fmt: skip
_MEANS = {
    "semantic": "IoU of classes over all pixels of all images; their mean",
    "panoptic": "panoptic quality as panopticapi counts it",
    "instance": "AP of the 2018 Data Science Bowl: TP / (TP + FP + FN) of each image, then the mean; AP of COCO by pycocotools",
}


LEARNING = (
    "![Val over the minutes of training, run after run](../../docs/images/learning-curves.png)\n\n"
    "Drawn by `python -m clustseg.study.learning`; what more time would give is where the curves end."
)


def metrics_of(evaluation: dict) -> list[dict]:
    """The rows that model.json carries: one figure each, with where it comes from."""
    common = {name: evaluation[name] for name in ("data", "split", "images")}
    return [
        {**common, "name": NAMES[name], "at": task, "value": value, "command": evaluation["command"]}
        for task, result in evaluation["tasks"].items()
        for name, value in result["figures"].items()
        if value is not None
    ]


def mask_card(manifest: dict, evaluations: Sequence[dict], notes: Sequence[str] = ()) -> str:
    """README.md of a bundle. `notes`: what else is to be said below the figures."""
    training, graph = manifest["training"], manifest["graph"]
    classes = ", ".join(f"{one['name']}{'' if one['isthing'] else ' (stuff)'}" for one in manifest["classes"])
    scale = manifest["input"]["scale"]
    sees = f"scaled to {scale['long_side']} pixels on the long side" if scale["mode"] == "fit" else "seen in their own pixels"
    if "mask_tile" in manifest["input"]:
        sees += ", larger ones in tiles of {side} pixels that overlap by {overlap}".format(**manifest["input"]["mask_tile"])
    sections = [
        f"# {manifest['name']} {manifest['version']}",
        "Segmentation by ClustSeg (Liang et al., ICML 2023).",
        "## In short",
        f"- Tasks: {', '.join(manifest['tasks'])}. {training['parameters']:,} parameters, {graph['bytes'] / 1e6:.1f} MB (weights stored as "
        f"fp16, arithmetic in {graph['precision']}).\n"
        f"- Classes: {classes}.\n"
        f"- Images are {sees}.\n"
        f"- Trained on: {training['data']}. {training['steps']:,} steps, {training['minutes']} minutes.\n"
        f"- Terms of the data: {training['terms']}\n"
        f"- Licence of the weights: {manifest['licence']}.",
        "## Figures",
    ]
    for evaluation in evaluations:
        means = "; ".join(f"{task}: {_MEANS[task]}" for task in evaluation["tasks"])
        settings = ", ".join(f"{name} {value:g}" for name, value in evaluation["parameters"].items())
        sections += [
            f"{evaluation['data']} {evaluation['split']}, {evaluation['images']} images ({settings}). "
            f"{means[0].upper()}{means[1:]}.",
            table(evaluation["tasks"]).strip(),
            f"Made by `{evaluation['command']}` in `training/`; times are of one thread.",
        ]
    sections += notes
    tried = next((text.tried for text in BUNDLES.values() if text.name == manifest["name"]), ())
    if tried:
        sections += ["### What was aimed at, and tried", "\n".join(f"- {line}" for line in tried), LEARNING]
    if "calibration" in manifest:
        sections += ["### What a score means", calibration_table(manifest["calibration"])]
    sections += ["## Limits", "\n".join(f"- {limit}" for limit in manifest["limits"])]
    return "\n\n".join(sections) + "\n"


def superpixel_rows(evaluation: dict, command: str) -> list[dict]:
    """The rows that model.json carries of the superpixel task."""
    common = {name: evaluation[name] for name in ("data", "split", "images")}
    return [
        {**common, "name": SUPERPIXEL_NAMES[key], "at": f"superpixel, K = {row['asked']}, {row['found']:.0f} found", "value": round(row[key], 4), "command": command}
        for row in evaluation["rows"]
        if row["asked"] in HEADLINE
        for key in SUPERPIXEL_NAMES
    ]


def superpixel_section(evaluation: dict, alone: dict | None, command: str) -> list[str]:
    """The superpixel task of a bundle with others, and what the company costs it: `alone` is the bundle that does nothing else."""
    sections = [
        "### Superpixels",
        f"{evaluation['data']} {evaluation['split']}, {evaluation['images']} images, mean over images of the mean over annotators, at segments "
        "found after connectivity. The encoder is the other tasks' own and was not trained for this; only what follows it was.",
        quality_table(evaluation),
    ]
    if alone is not None:
        rows = [row for row in evaluation["rows"] if row["asked"] in HEADLINE]
        lines = ["| at segments found | " + " | ".join(f"{row['found']:.0f}" for row in rows) + " |", "|---" + "|--:" * len(rows) + "|"]
        for key in ("asa", "br"):
            cells = []
            for row in rows:
                other = at_found(alone["rows"], row["found"], key)
                cells.append(f"{row[key]:.4f}" + ("" if other is None else f" ({row[key] - other:+.4f})"))
            lines.append(f"| {key.upper()} (difference from clustseg-superpixel) | " + " | ".join(cells) + " |")
        sections += ["What one checkpoint for four tasks costs:", "\n".join(lines)]
    return [*sections, f"Made by `{command}` in `training/`."]


def calibration_table(calibration: dict) -> str:
    """How far scores are from the share of segments that are right."""
    lines = ["| clusters | number | right | error before | after |", "|---|--:|--:|--:|--:|"]
    lines += [
        f"| {row['kind']} | {row['clusters']} | {row['right']} | {row['error_before']:.3f} | {row['error_after']:.3f} |"
        for row in calibration["kinds"]
    ]
    return (
        "A score is the probability that the segment is right (IoU above 1/2 with an object, or with the region, of its class), "
        f"fitted on {calibration['images']} images of {calibration['split']}. Expected calibration error, after it cross-validated:\n\n"
        + "\n".join(lines)
    )


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of what clustseg.evaluate wrote")
    arguments = parser.parse_args(given)
    path = arguments.bundle / "model.json"
    manifest = json.loads(path.read_text())
    found = [json.loads(file.read_text()) for file in sorted(arguments.results.glob("*.json"))]
    digest = manifest["graph"]["sha256"]
    evaluations = [one for one in found if isinstance(one, dict) and one.get("sha256") == digest and "tasks" in one]
    if not evaluations:
        raise SystemExit(f"{arguments.results}: holds no figures of graph {digest[:12]}; run clustseg.evaluate --bundle … --json … first")
    evaluations.sort(key=lambda one: ("test", "val", "train").index(one["split"]))
    write_card(arguments.bundle, manifest, evaluations, *_superpixels(arguments.bundle, found, digest))
    print(f"{path} and its README.md: {len(manifest['metrics'])} figures")


def _superpixels(bundle: Path, found: Sequence[dict], digest: str) -> tuple[list[str], list[dict]]:
    """The card's section and the figures of the superpixel task, if it was measured."""
    measured = [one for one in found if isinstance(one, dict) and "rows" in one and str(one.get("name", "")).startswith("ClustSeg (")]
    own = next((one for one in measured if one.get("sha256") == digest), None)
    if own is None:
        return [], []
    alone = next((one for one in measured if "clustseg-superpixel" in one["name"] and one["data"] == own["data"]), None)
    file = f"results/{bundle.resolve().name}-{own['data'].lower()}-{own['split']}.json"
    command = f"python -m clustseg.evaluate --bundle ../models/{bundle.resolve().name} --task superpixel --split {own['split']} --json {file}"
    return superpixel_section(own, alone, command), superpixel_rows(own, command)


def write_card(
    bundle: Path, manifest: dict, evaluations: Sequence[dict], notes: Sequence[str] = (), rows: Sequence[dict] = ()
) -> None:
    """Figures into model.json (in place in `manifest` too), and README.md beside it. `rows`: further ones, told of by the notes."""
    manifest["metrics"] = [row for evaluation in evaluations for row in metrics_of(evaluation)] + list(rows)
    (bundle / "model.json").write_text(json.dumps(manifest, indent=2) + "\n")
    (bundle / "README.md").write_text(mask_card(manifest, evaluations, notes))


if __name__ == "__main__":
    main()
