"""Measures a bundle on a split of its data set, whatever its task:

    python -m clustseg.evaluate --bundle ../models/clustseg-superpixel --split test --json results/clustseg-bsds500-test.json
    python -m clustseg.evaluate --bundle ../models/clustseg-street --split test --json results/clustseg-street-camvid-test.json

A bundle that answers superpixel besides other tasks is measured at that with --task superpixel. With --bundle, --help lists the
options.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from clustseg.bundle.runtime import MASK_TASKS, read_manifest


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="clustseg.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=False
    )
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--task", action="append")
    chosen, _ = parser.parse_known_args(given)
    superpixels_only = not any(task in MASK_TASKS for task in read_manifest(chosen.bundle)["tasks"])
    if superpixels_only or chosen.task == ["superpixel"]:
        from clustseg.bundle.evaluate_superpixels import main as evaluate
    else:
        from clustseg.bundle.evaluate_masks import main as evaluate
    evaluate(given)


if __name__ == "__main__":
    main()
