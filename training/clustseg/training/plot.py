"""Draws a run's curves from its log: `python -m clustseg.training.plot runs/superpixel` writes curves.png beside log.jsonl."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def draw_training(run: Path) -> Path:
    """Loss terms and validation figures over minutes of training. Returns the picture's path."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    train = [line for line in lines if "loss" in line]
    val = [line for line in lines if "val" in line]
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.6), constrained_layout=True)
    minutes = [line["minutes"] for line in train]
    for name in ("loss", "cross_entropy", "smooth_l1"):
        left.plot(minutes, [line[name] for line in train], label=name.replace("_", " "))
    left.set(title="Training loss (running mean)", yscale="log")
    for axes, figure_name, title in ((middle, "asa", "ASA on val"), (right, "co", "Compactness on val")):
        for index in range(len(val[0]["val"]) if val else 0):
            rows = [(line["minutes"], line["val"][index]) for line in val]
            axes.plot([m for m, _ in rows], [row[figure_name] for _, row in rows], marker="o", label=f"K = {rows[0][1]['asked']}")
        axes.set(title=title)
    for axes in (left, middle, right):
        axes.set(xlabel="minutes of training")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    path = run / "curves.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    print(draw_training(parser.parse_args().run))
