"""Writes a bundle's figures into model.json and its model card, after evaluate (superpixels: peers and ablate too) has written results/:

    python -m clustseg.card --bundle ../models/clustseg-superpixel
    python -m clustseg.card --bundle ../models/clustseg-street
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from clustseg.kinds import parse_kind


def main(given: Sequence[str] | None = None) -> None:
    chosen, rest = parse_kind("clustseg.card", __doc__, "--bundle", given)
    if json.loads((chosen.bundle / "model.json").read_text())["tasks"] == ["superpixel"]:
        from clustseg.bundle.card_superpixels import main as write_card
    else:
        from clustseg.bundle.card_masks import main as write_card
    write_card(["--bundle", str(chosen.bundle), *rest])


if __name__ == "__main__":
    main()
