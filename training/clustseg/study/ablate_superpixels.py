"""The ablation table: `python -m clustseg.study.ablate_superpixels --out results/ablation-superpixel.json`.

Every row is a run of its own from the same ImageNet encoder with the same seed, crops and number of steps, much shorter than
the bundle's, and is measured on the first images of BSDS500 val. Rows differ from the first in one switch. Runs that are
there already are not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from clustseg.data.root import add_data_argument, existing_root
from clustseg.study.rows import measure_rows

# name -> what differs from the base run.
ROWS: dict[str, list[str]] = {
    "RCA, T = 3, grid start": [],
    "T = 1": ["--steps", "1"],
    "T = 2": ["--steps", "2"],
    "T = 6": ["--steps", "6"],
    "random start": ["--start", "random"],
    "vanilla cross-attention": ["--attention", "vanilla"],
    "dot-product similarity": ["--similarity", "dot"],
    "last E-step supervised only": ["--deep-supervision", "0"],
    "no smooth-L1": ["--smooth-l1", "0"],
    "no ImageNet weights": ["--from-scratch"],
}


def run_row(name: str, switches: list[str], arguments: argparse.Namespace) -> dict:
    folder = arguments.runs / "-".join(["base", *switches]).replace("--", "")
    log = folder / "log.jsonl"
    if not (log.exists() and '"val"' in log.read_text()):
        command = [
            *(sys.executable, "-m", "clustseg.train", "--run", str(folder), "--data", str(arguments.data)),
            *("--iterations", str(arguments.iterations), "--batch", "4", "--crop", "192", "--evaluate-every", "0"),
            *("--evaluate-images", str(arguments.images), "--threads", str(arguments.threads), *switches),
        ]
        subprocess.run(command, check=True)
    last = [json.loads(line) for line in log.read_text().splitlines() if '"val"' in line][-1]
    return {"name": name, "switches": switches, "steps": last["step"], "minutes": last["minutes"], "val": last["val"]}


def format_rows(rows: list[dict]) -> str:
    """A Markdown table: ASA and CO at each K."""
    asked = [row["asked"] for row in rows[0]["val"]]
    head = "| variant | " + " | ".join(f"ASA / CO at K = {k}" for k in asked) + " |"
    lines = [head, "|---" * (len(asked) + 1) + "|"]
    for row in rows:
        cells = " | ".join(f"{value['asa']:.4f} / {value['co']:.3f}" for value in row["val"])
        lines.append(f"| {row['name']} | {cells} |")
    return "\n".join(lines)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--out", type=Path, default=Path("results/ablation-superpixel.json"))
    add_data_argument(parser)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args(given)
    existing_root(arguments.data)
    about = {"data": "BSDS500", "split": "val", "images": arguments.images, "iterations": arguments.iterations}
    rows = (run_row(name, switches, arguments) for name, switches in ROWS.items())
    measure_rows(rows, format_rows, about, arguments.out)


if __name__ == "__main__":
    main()
