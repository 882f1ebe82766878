"""Chooses on val what training does not learn, whatever a run was trained for:

    python -m clustseg.tune --run runs/superpixel
    python -m clustseg.tune --run runs/street
"""

from __future__ import annotations

from collections.abc import Sequence

from clustseg.kinds import parse_kind
from clustseg.training.runs import is_mask_run


def main(given: Sequence[str] | None = None) -> None:
    chosen, rest = parse_kind("clustseg.tune", __doc__, "--run", given)
    if is_mask_run(chosen.run):
        from clustseg.bundle.tune_masks import main as tune
    else:
        from clustseg.bundle.tune_superpixels import main as tune
    tune(["--run", str(chosen.run), *rest])


if __name__ == "__main__":
    main()
