"""How many images a bundle of one's own needs, and how long: `python -m clustseg.study.amounts 10x200 100x200 100x600`.

Each argument is a number of images and of steps. So many fluorescence images of DSB 2018 train, spread over the split, become a
data set of one's own that `clustseg.own` trains on with nothing else said; the bundle is measured on the fluorescence images of
val, on which nothing was chosen. Rows are added to --json, and the table of docs/train-your-own.md is written anew.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clustseg import own
from clustseg.bundle.evaluate_masks import evaluate_bundle
from clustseg.bundle.runtime import BundleRuntime
from clustseg.data.readers.dsb2018 import read_dsb2018, read_modality
from clustseg.data.readers.files import image_paths
from clustseg.data.root import add_data_argument, existing_root
from clustseg.study.documents import filled

ROOT = Path(__file__).parents[2]
KIND = "dark"
COMMAND = "python -m clustseg.study.amounts"


def amount(text: str) -> tuple[int, int]:
    """ "100x200": 100 images, 200 steps."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text}: give images and steps as 100x200")
    return int(match[1]), int(match[2])


def make_data_set(source: Path, count: int, folder: Path) -> int:
    """A folder of images and masks, linked, as clustseg.own reads it; returns how many there are."""
    kinds = read_modality(source)
    paths = [path for path in image_paths(source / "train" / "images") if kinds[path.stem] == KIND]
    chosen = [paths[at] for at in np.unique(np.linspace(0, len(paths) - 1, count).round().astype(int))]
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for path in chosen:
        (folder / "images" / path.name).symlink_to(path.resolve())
        (folder / "masks" / f"{path.stem}.png").symlink_to((source / "train" / "labels" / f"{path.stem}.png").resolve())
    (folder / "dataset.json").write_text(json.dumps({"masks": "instances", "classes": ["nucleus"]}))
    return len(chosen)


def measure(source: Path, images: int, steps: int, threads: int) -> dict:
    """A row: trains in a folder that is gone afterwards, and measures."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        count = make_data_set(source, images, place / "data")
        paths = {"data": place / "data", "out": place / "bundle", "run": place / "run"}
        options = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
        own.main([*options, "--task", "instance", "--iterations", str(steps), "--threads", str(threads)])
        samples = read_dsb2018(source, "val")
        found = evaluate_bundle(BundleRuntime(place / "bundle"), samples, ["instance"], groups=read_modality(source))
        row = next(row for row in found["tasks"]["instance"]["rows"] if row.get("group") == KIND)
    return {
        "images": count,
        "steps": steps,
        "measured_images": row["images"],
        **{name: row[name] for name in ("ap50", "map")},
    }


def rows_of(results: Path) -> list[str]:
    """The table of docs/train-your-own.md."""
    path = results / "own-amounts.json"
    report = json.loads(path.read_text()) if path.exists() else {"rows": []}
    shipped = json.loads((results / "clustseg-nuclei-dsb2018-val.json").read_text())
    best = next(row for row in shipped["tasks"]["instance"]["rows"] if row.get("group") == KIND)
    lines = ["| images | steps | AP at IoU .5 | mean over .5:.95 |", "|--:|--:|--:|--:|"]
    for row in sorted(report["rows"], key=lambda row: (row["images"], row["steps"])):
        lines.append(f"| {row['images']} | {row['steps']} | {row['ap50']:.3f} | {row['map']:.3f} |")
    lines.append(f"| clustseg-nuclei, which ships (chosen on these images) | | {best['ap50']:.3f} | {best['map']:.3f} |")
    return lines


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("amounts", nargs="*", type=amount, help="images x steps; none: only the table is written")
    add_data_argument(parser)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--doc", type=Path, default=ROOT.parent / "docs" / "train-your-own.md")
    arguments = parser.parse_args(given)
    path = arguments.results / "own-amounts.json"
    for images, steps in arguments.amounts:
        row = measure(existing_root(arguments.data) / "dsb2018", images, steps, arguments.threads)
        report = json.loads(path.read_text()) if path.exists() else {"data": "DSB 2018, fluorescence", "threads": arguments.threads, "rows": []}
        kept = [one for one in report["rows"] if (one["images"], one["steps"]) != (row["images"], row["steps"])]
        path.write_text(json.dumps({**report, "rows": [*kept, row]}, indent=1) + "\n")
        print(row, flush=True)
    text = filled(arguments.doc.read_text(encoding="utf-8"), {"amounts": rows_of(arguments.results)}, COMMAND)
    arguments.doc.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
