"""Chooses on val what training does not learn: of superpixels; `clustseg.tune` calls it.

Two numbers: the scale of the last layer's position precision (less: boundaries follow colours more and compactness falls) and
the smallest piece that stays a segment, as a share of the mean area. Prints ASA, boundary recall, compactness and segments
found for each pair; what was chosen stands in export_superpixels.py and training/superpixels.py.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from clustseg.bundle.connectivity import enforce_connectivity, minimum_area
from clustseg.bundle.export_superpixels import load_network
from clustseg.data.root import add_data_argument, existing_root
from clustseg.data.superpixel_crops import read_bsds
from clustseg.metrics.superpixels import superpixel_metrics

SCALES = (1.0, 0.8, 0.65, 0.5)
RATIOS = (0.0625, 0.125, 0.1875, 0.25)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    add_data_argument(parser)
    parser.add_argument("--every", type=int, default=2, help="use every n-th image of val")
    parser.add_argument("--json", type=Path, default=Path("results/tune-superpixel.json"))
    arguments = parser.parse_args(given)
    photographs = read_bsds(existing_root(arguments.data) / "bsds500", "val")[:: arguments.every]
    rows = []
    for scale in SCALES:
        network = load_network(arguments.run, precision_scale=scale)
        for asked in (100, 300, 600):
            measured = {ratio: [] for ratio in RATIOS}
            for photograph in photographs:
                image = torch.from_numpy(photograph.pixels.copy()).unsqueeze(0)
                with torch.no_grad():
                    labels = network.segment(image, torch.tensor([asked]), torch.tensor([0, 0]))[0].numpy().astype(np.uint16)
                for ratio in RATIOS:
                    whole = enforce_connectivity(labels, minimum_area(labels, ratio))
                    measured[ratio].append(superpixel_metrics(whole, photograph.annotations))
            for ratio, metrics in measured.items():
                means = {name: round(float(np.mean([getattr(one, name) for one in metrics])), 4) for name in ("found", "asa", "br", "co")}
                rows.append({"precision_scale": scale, "min_area_ratio": ratio, "asked": asked, **means})
                print(rows[-1], flush=True)
    report = {"data": "BSDS500", "split": "val", "images": len(photographs), "rows": rows}
    arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
