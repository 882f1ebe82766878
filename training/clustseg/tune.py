"""Chooses on val what training does not learn, whatever a run was trained for:

    python -m clustseg.tune --run runs/superpixel
    python -m clustseg.tune --run runs/street
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from clustseg.training.runs import is_mask_run


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="clustseg.tune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=False
    )
    parser.add_argument("--run", type=Path, required=True)
    chosen, rest = parser.parse_known_args(given)
    if is_mask_run(chosen.run):
        from clustseg.bundle.tune_masks import main as tune
    else:
        from clustseg.bundle.tune_superpixels import main as tune
    tune(["--run", str(chosen.run), *rest])


if __name__ == "__main__":
    main()
