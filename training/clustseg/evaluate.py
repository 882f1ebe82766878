"""Measures a bundle on a split of its data set, whatever its task:

    python -m clustseg.evaluate --bundle ../models/clustseg-superpixel --split test --json results/clustseg-bsds500-test.json
    python -m clustseg.evaluate --bundle ../models/clustseg-street --split test --json results/clustseg-street-camvid-test.json

A bundle that answers superpixel besides other tasks is measured at that with --task superpixel.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from clustseg.bundle.runtime import MASK_TASKS, read_manifest
from clustseg.kinds import parse_kind


def main(given: Sequence[str] | None = None) -> None:
    chosen, rest = parse_kind("clustseg.evaluate", __doc__, "--bundle", given)
    tasks = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    tasks.add_argument("--task", action="append")
    superpixels_only = not any(task in MASK_TASKS for task in read_manifest(chosen.bundle)["tasks"])
    if superpixels_only or tasks.parse_known_args(rest)[0].task == ["superpixel"]:
        from clustseg.bundle.evaluate_superpixels import main as evaluate
    else:
        from clustseg.bundle.evaluate_masks import main as evaluate
    evaluate(given)


if __name__ == "__main__":
    main()
