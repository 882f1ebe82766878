"""Val over the minutes of training of what ships, run after run: `python -m clustseg.study.learning street=runs/street,runs/street-fine …`.

Each argument is a name and the runs that followed each other, of which each began with the weights of the one before. What their logs
say is kept in results/learning.json, so that the picture can be drawn again without them. Figures are those that a run takes of itself on
a part of val, in its own pixels and uncalibrated: below the card's, but comparable along a curve.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

ROOT = Path(__file__).parents[2]
FIGURES = {
    "street": {"semantic_miou": "mIoU"},
    "nuclei": {"instance_ap50": "AP at IoU .5", "instance_map": "mean over .5:.95"},
    "photo": {"panoptic_pq": "PQ", "semantic_miou": "mIoU"},
}
COLOURS = ("#D62839", "#0072B2")


def read_runs(name: str, runs: Sequence[Path]) -> list[dict]:
    """Points of all runs: minutes since the first began, the run, and the figures."""
    points, before = [], 0.0
    for run in runs:
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        for line in lines:
            if "val" in line:
                figures = {figure: round(line["val"][figure], 4) for figure in FIGURES[name]}
                points.append({"run": run.name, "minutes": round(before + line["minutes"], 1), **figures})
        before += lines[-1]["minutes"]
    return points


def draw(learning: dict[str, list[dict]], path: Path) -> None:
    """A panel for each bundle; a new run begins where the line is broken."""
    figure, axes = plt.subplots(1, len(learning), figsize=(4.2 * len(learning), 3.4), constrained_layout=True, squeeze=False)
    for axis, (name, points) in zip(axes[0], sorted(learning.items())):
        for (key, title), colour in zip(FIGURES[name].items(), COLOURS):
            for run in dict.fromkeys(point["run"] for point in points):
                own = [point for point in points if point["run"] == run]
                axis.plot([one["minutes"] for one in own], [one[key] for one in own], color=colour, marker="o", markersize=4)
            axis.plot([], [], color=colour, label=title)
        axis.set(title=f"clustseg-{name}", xlabel="minutes of training, one core")
        axis.grid(alpha=0.3)
        axis.legend(loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="NAME=RUN,RUN", help="none: only the picture is drawn")
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--out", type=Path, default=ROOT.parent / "docs" / "images" / "learning-curves.png")
    arguments = parser.parse_args(given)
    path = arguments.results / "learning.json"
    learning = json.loads(path.read_text()) if path.exists() else {}
    for text in arguments.runs:
        name, _, folders = text.partition("=")
        if name not in FIGURES or not folders:
            parser.error(f"{text}: give {', '.join(FIGURES)} and the folders of its runs as street=runs/a,runs/b")
        learning[name] = read_runs(name, [Path(folder) for folder in folders.split(",")])
    path.write_text(json.dumps(learning, indent=1) + "\n")
    draw(learning, arguments.out)
    print(f"{path}, {arguments.out}")


if __name__ == "__main__":
    main()
