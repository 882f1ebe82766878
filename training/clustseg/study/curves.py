"""Draws ClustSeg and its peers over the number of segments found, docs/images/superpixel-curves.png.

    python -m clustseg.evaluate --bundle ../models/clustseg-superpixel --json results/clustseg-bsds500-test.json
    python -m clustseg.study.curves
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.ticker import FixedLocator, NullLocator  # noqa: E402

TRAINING = Path(__file__).parents[2]

PANELS = (
    ("asa", "Achievable segmentation accuracy", "higher is better"),
    ("br", "Boundary recall (2 px)", "higher is better"),
    ("co", "Compactness", "higher is better"),
    ("ue", "Undersegmentation error", "lower is better"),
)

# Colours that colour-blind readers can tell apart (Okabe and Ito), and a marker each for those who print in grey.
STYLES = {
    "SLIC": ("#0072B2", "s", "SLIC (scikit-image)"),
    "fast-slic": ("#E69F00", "^", "fast-slic"),
    "SLICO": ("#009E73", "D", "SLICO (OpenCV)"),
    "LSC": ("#CC79A7", "v", "LSC (OpenCV)"),
    "SEEDS": ("#56B4E9", "P", "SEEDS (OpenCV)"),
}
OURS = "#D62839"
INK = "#2B2D33"
FAINT = "#7A7F87"

LNSNET = {
    "name": "LNSNet (20 images, published checkpoint)",
    "rows": [
        {"found": 192, "asa": 0.933, "br": 0.791, "co": 0.191},
        {"found": 636, "asa": 0.959, "br": 0.915, "co": 0.227},
        {"found": 1413, "asa": 0.968, "br": 0.963, "co": 0.254},
    ],
}
"""The released LNSNet was measured apart, at three numbers of segments; its undersegmentation error was not."""


def draw_curves(ours: dict, peers: dict, path: Path) -> None:
    """Writes the four panels. `ours` is what clustseg.evaluate writes, `peers` what clustseg.study.peers writes."""
    settings = {"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK, "axes.edgecolor": "#C9CCD1"}
    with plt.rc_context(settings):
        figure, axes = plt.subplots(2, 2, figsize=(10.4, 8.4), sharex=True)
        for axis, (metric, title, better) in zip(axes.flat, PANELS, strict=True):
            _draw_panel(axis, metric, ours, peers)
            axis.set_title(title, loc="left", fontsize=11.5, fontweight="bold", pad=8)
            axis.set_title(better, loc="right", fontsize=9, color=FAINT, pad=8)
        _limit_found(axes, ours, peers)
        for axis in axes[1]:
            axis.set_xlabel("segments found (mean over images)", color=FAINT)

        handles, names = axes.flat[0].get_legend_handles_labels()
        handles, names = handles[-1:] + handles[:-1], names[-1:] + names[:-1]  # drawn last, named first
        figure.legend(handles, names, loc="lower center", ncols=4, frameon=False, bbox_to_anchor=(0.5, 0.005))
        figure.suptitle(
            f"Superpixels on {ours['images']} BSDS500 {ours['split']} images, mean over annotators",
            x=0.062, y=0.982, ha="left", fontsize=14, fontweight="bold",
        )  # fmt: skip
        figure.subplots_adjust(left=0.062, right=0.985, top=0.905, bottom=0.135, wspace=0.13, hspace=0.2)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150, facecolor="white", metadata={"Software": None})
        plt.close(figure)


def _draw_panel(axis: Axes, metric: str, ours: dict, peers: dict) -> None:
    for peer in peers["peers"]:
        color, marker, label = STYLES[peer["name"]]
        axis.plot(*_series(peer["rows"], metric), color=color, marker=marker, ms=4, lw=1.4, label=label)
    if metric in LNSNET["rows"][0]:
        points = _series(LNSNET["rows"], metric)
        axis.plot(*points, "*", color=INK, ms=10, mew=0.6, mec="white", ls="none", label=LNSNET["name"])
    series = _series(ours["rows"], metric)
    axis.plot(*series, color=OURS, marker="o", ms=6, lw=2.8, mec="white", mew=0.8, zorder=5, label="ClustSeg")
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator([50, 100, 200, 300, 500, 1000, 2000]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.2f}".lstrip("0") if 0 < value < 1 else f"{value:.0f}")
    axis.grid(color="#ECEEF1", lw=0.9)
    axis.set_axisbelow(True)
    axis.tick_params(colors=FAINT, length=0, labelbottom=True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _series(rows: Sequence[dict], metric: str) -> tuple[list[float], list[float]]:
    rows = sorted(rows, key=lambda row: row["found"])
    return [row["found"] for row in rows], [row[metric] for row in rows]


def _limit_found(axes, ours: dict, peers: dict) -> None:
    found = [row["found"] for one in [ours, *peers["peers"]] for row in one["rows"]]
    axes.flat[0].set_xlim(min(found) / 1.12, max(found) * 1.12)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="clustseg.study.curves", description="Draw superpixel metrics over segments found.")
    parser.add_argument("--clustseg", type=Path, default=TRAINING / "results" / "clustseg-bsds500-test.json")
    parser.add_argument("--peers", type=Path, default=TRAINING / "results" / "peers-bsds500-test.json")
    parser.add_argument("--out", type=Path, default=TRAINING.parent / "docs" / "images" / "superpixel-curves.png")
    options = parser.parse_args(arguments)

    draw_curves(json.loads(options.clustseg.read_text()), json.loads(options.peers.read_text()), options.out)


if __name__ == "__main__":
    main()
