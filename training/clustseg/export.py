"""Exports a run as a bundle, whatever it was trained for:

    python -m clustseg.export --run runs/superpixel --out ../models/clustseg-superpixel
    python -m clustseg.export --run runs/street --out ../models/clustseg-street
"""

from __future__ import annotations

from collections.abc import Sequence

from clustseg.kinds import parse_kind
from clustseg.training.runs import is_mask_run


def main(given: Sequence[str] | None = None) -> None:
    chosen, rest = parse_kind("clustseg.export", __doc__, "--run", given)
    if is_mask_run(chosen.run):
        from clustseg.bundle.export_masks import main as export
    else:
        from clustseg.bundle.export_superpixels import main as export
    export(["--run", str(chosen.run), *rest])


if __name__ == "__main__":
    main()
