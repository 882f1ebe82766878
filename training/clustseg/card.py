"""Writes a bundle's figures into model.json and its model card, after evaluate (superpixels: peers and ablate too) has written results/:

    python -m clustseg.card --bundle ../models/clustseg-superpixel
    python -m clustseg.card --bundle ../models/clustseg-street
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="clustseg.card", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=False
    )
    parser.add_argument("--bundle", type=Path, required=True)
    chosen, rest = parser.parse_known_args(given)
    if json.loads((chosen.bundle / "model.json").read_text())["tasks"] == ["superpixel"]:
        from clustseg.bundle.card_superpixels import main as write_card
    else:
        from clustseg.bundle.card_masks import main as write_card
    write_card(["--bundle", str(chosen.bundle), *rest])


if __name__ == "__main__":
    main()
