"""Measures a mask bundle on a split as the product would run it:

    python -m clustseg.evaluate --bundle ../models/clustseg-street --split test --json results/clustseg-street-camvid-test.json

Of a bundle that ships, the data set is that of its recipe, below CLUSTSEG_DATA or --data; of your own, --data is the data set.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from clustseg.bundle.runtime import BundleRuntime
from clustseg.bundle.text import BUNDLES
from clustseg.data.readers.any import read_any
from clustseg.data.readers.dsb2018 import read_modality
from clustseg.data.root import data_root, existing_root
from clustseg.data.samples import Category, DataError, Samples
from clustseg.metrics.segmentation import BowlScore, PanopticScore, SemanticScore
from clustseg.training.own_recipe import add_reader_arguments, pixels_of, reader_options, without_empty
from clustseg.training.recipes import RECIPES, Recipe

PARAMETERS = ("threshold", "mask_threshold", "overlap_threshold", "min_area")
NAMES = {"camvid": "CamVid", "dsb2018": "DSB 2018", "voc": "VOC 2012 (derived instances)"}


def evaluate_bundle(
    runtime: BundleRuntime,
    samples: Samples,
    tasks: Sequence[str],
    counted: Sequence[str] = (),
    groups: dict[str, str] | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, dict]:
    """Scores by task, each {figures, rows}: figures are means over the `counted` classes (all if empty), rows are by class, and
    for "instance" by group of images (`groups`: name of image -> group, such as its modality). `ms`: median of an image."""
    chosen = range(len(samples)) if limit is None else [index * len(samples) // limit for index in range(min(limit, len(samples)))]
    things = [one["name"] for one in samples.categories if one["isthing"]]
    scores: dict[str, dict] = {task: _scores(task, samples) for task in tasks}
    seconds: dict[str, list[float]] = {task: [] for task in tasks}
    images: list[str] = []
    for done, index in enumerate(chosen):
        sample = samples[index]
        images.append(sample.name)
        for task in tasks:
            begin = time.perf_counter()
            found = runtime.segment(sample.image, task)
            seconds[task].append(time.perf_counter() - begin)
            for name, score in scores[task].items():
                extra = (found.scores,) if name == "coco" else ()
                score.add(found.segments, found.classes, *extra, sample)
        if progress is not None:
            progress(done + 1, len(chosen))
    results = {}
    for task in tasks:
        names = list(counted) or None
        if task == "semantic":
            whole = scores[task]["semantic"].result(names)
            figures = {key: whole[key] for key in ("miou", "pixel_accuracy", "mean_accuracy")}
            rows = [{"class": name, "iou": value, "accuracy": whole["accuracy"][name]} for name, value in whole["iou"].items()]
        elif task == "panoptic":
            whole = scores[task]["panoptic"].result(names)
            figures = {key: whole[key] for key in ("pq", "sq", "rq")}
            rows = [{"class": name, **values} for name, values in whole["classes"].items()]
            # What a bar is about may be the things alone.
            if names and set(names) - set(things):
                figures["pq_things"] = scores[task]["panoptic"].result([name for name in names if name in things])["pq"]
        else:
            bowl, coco = scores[task]["bowl"], scores[task]["coco"].result([name for name in names or things if name in things])
            whole = bowl.result()
            figures = {key: whole[key] for key in ("ap50", "ap75", "map")}
            figures |= {f"coco_{key}": coco[key] for key in ("ap", "ap50", "ap75")}
            rows = [{"class": name, "coco_ap": value} for name, value in coco["classes"].items()]
            by_group: dict[str, list[str]] = {}
            for name in images if groups else ():
                by_group.setdefault(groups[name], []).append(name)
            for group, members in sorted(by_group.items()):
                of_group = bowl.result(members)
                rows.append({"group": group, "images": len(members), **{key: of_group[key] for key in ("ap50", "ap75", "map")}})
        results[task] = {
            "figures": {name: _rounded(value) for name, value in figures.items()},
            "rows": [{name: _rounded(value) for name, value in row.items()} for row in rows],
            "ms": round(float(np.median(seconds[task])) * 1000, 1),
        }
    return {"images": len(images), "tasks": results}


def _scores(task: str, samples: Samples) -> dict:
    if task == "semantic":
        return {"semantic": SemanticScore(samples.categories)}
    if task == "panoptic":
        return {"panoptic": PanopticScore(samples.categories)}
    from clustseg.metrics.coco import CocoScore

    # COCO counts the 100 best of an image; images of cells hold more.
    return {"bowl": BowlScore(samples.categories), "coco": CocoScore(samples.categories, max_detections=500)}


def _rounded(value: object) -> object:
    return round(value, 5) if isinstance(value, float) else value


def recipe_of(bundle_name: str) -> tuple[str, Recipe] | None:
    """The recipe whose bundle has this name; None of one's own."""
    return next(((name, RECIPES[name]) for name, text in BUNDLES.items() if text.name == bundle_name), None)


def table(results: dict[str, dict]) -> str:
    """Figures and rows as Markdown."""
    lines = []
    for task, result in results.items():
        figures = ", ".join(f"{name} {value:.4f}" for name, value in result["figures"].items() if value is not None)
        lines += [f"{task}: {figures} ({result['ms']} ms an image)", ""]
        for kind in ("class", "group"):
            rows = [row for row in result["rows"] if kind in row]
            if rows:
                names = [name for name in rows[0] if name != kind]
                lines += [f"| {kind} | " + " | ".join(names) + " |", "|---" + "|--:" * len(names) + "|"]
                lines += [f"| {row[kind]} | " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows] + [""]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def check_classes(runtime: BundleRuntime, samples: Samples) -> None:
    """Raises DataError where the data set has other classes than the bundle."""
    ours, theirs = (_names(one.categories) for one in (runtime, samples))
    if ours != theirs:
        raise DataError(f"the bundle's classes are {', '.join(ours)}; those of the data are {', '.join(theirs)}")


def of_the_bundle(runtime: BundleRuntime, samples: Samples) -> Samples:
    """The samples without the classes that the bundle lacks, where none of their pixels is annotated, as clustseg.own
    --drop-empty leaves them out."""
    ours = _names(runtime.categories)
    known = np.array([name in ours for name in _names(samples.categories)])
    if known.all() or pixels_of(samples)[~known].any():
        return samples
    return without_empty(samples, known.astype(np.int64))


def _names(categories: Sequence[Category]) -> list[str]:
    return [one["name"] for one in categories]


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="clustseg.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, required=True, help="folder with model.json and the graph")
    parser.add_argument("--data", type=Path, help="default: $CLUSTSEG_DATA")
    add_reader_arguments(parser)
    parser.add_argument("--split", default="val", choices=("train", "val", "test"))
    parser.add_argument("--task", action="append", help="only this one (may be given again); default: all of the bundle")
    parser.add_argument("--classes", type=lambda text: text.split(","), help="means over these, comma-separated")
    parser.add_argument("--threads", type=int, default=1, help="threads of onnxruntime")
    parser.add_argument("--limit", type=int, help="only so many images, spread over the split")
    for name in PARAMETERS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, help="instead of the bundle's default")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args(given)

    changed = {name: getattr(options, name) for name in PARAMETERS}
    changed = {name: value for name, value in changed.items() if value is not None}
    runtime = BundleRuntime(options.bundle, options.threads, **changed)
    known = recipe_of(runtime.manifest["name"])
    try:
        if known is not None:
            root = existing_root(options.data or data_root()) / known[1].folder
            samples = known[1].read(root, options.split)
            name, counted = NAMES[known[1].folder], list(known[1].counted)
        elif options.data is not None:
            samples = of_the_bundle(runtime, read_any(options.data, options.split, options.images, **reader_options(options)))
            name, counted = options.data.name, []
        else:
            parser.error("--data: which data set? (the bundle is none of those that ship)")
        check_classes(runtime, samples)
    except DataError as error:
        raise SystemExit(str(error)) from error
    groups = read_modality(root) if known is not None and known[0] == "nuclei" else None
    tasks = options.task or [task for task in runtime.tasks if _worth(task, runtime)]
    counted = options.classes or counted
    found = evaluate_bundle(runtime, samples, tasks, counted, groups, options.limit)
    print(table(found["tasks"]))
    if options.json:
        report = {
            "name": f"{runtime.manifest['name']} {runtime.manifest['version']}",
            "sha256": runtime.manifest["graph"]["sha256"],
            "data": name,
            "split": options.split,
            "images": found["images"],
            "classes": counted or [one["name"] for one in samples.categories],
            "parameters": {name: value for name, value in runtime.parameters.items() if name in PARAMETERS},
            "command": "python -m clustseg.evaluate " + _repeated(given, known is not None),
            "tasks": found["tasks"],
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def _worth(task: str, runtime: BundleRuntime) -> bool:
    """With one class of things, panoptic tells nothing beyond instance."""
    one_thing = sum(bool(category["isthing"]) for category in runtime.categories) < 2
    return not (task == "panoptic" and one_thing and "instance" in runtime.tasks)


def _repeated(given: Sequence[str] | None, known: bool) -> str:
    """The arguments as they were; without the place of a data set that everybody has somewhere else."""
    words = list(sys.argv[1:] if given is None else given)
    if known and "--data" in words:
        at = words.index("--data")
        del words[at : at + 2]
    return shlex.join(words)


if __name__ == "__main__":
    main()
