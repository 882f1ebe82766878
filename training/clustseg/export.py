"""Exports a run as a bundle, whatever it was trained for:

    python -m clustseg.export --run runs/superpixel --out ../models/clustseg-superpixel
    python -m clustseg.export --run runs/street --out ../models/clustseg-street
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from clustseg.training.runs import is_mask_run


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="clustseg.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=False
    )
    parser.add_argument("--run", type=Path, required=True)
    chosen, rest = parser.parse_known_args(given)
    if is_mask_run(chosen.run):
        from clustseg.bundle.export_masks import main as export
    else:
        from clustseg.bundle.export_superpixels import main as export
    export(["--run", str(chosen.run), *rest])


if __name__ == "__main__":
    main()
