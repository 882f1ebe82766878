"""Trains any of the networks that ship:

    python -m clustseg.train --recipe superpixel|street|nuclei|photo --run runs/NAME --minutes 60

The same command goes on where it stopped. `--recipe street --help` lists what a recipe can be told. With --config, a file of
configs/ is trained, on many GPUs by torchrun (clustseg.training.masks); for data of your own there is clustseg.own.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from clustseg.training.recipes import RECIPES


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="clustseg.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=False
    )
    parser.add_argument("--recipe", choices=("superpixel", *sorted(RECIPES)), help="default: superpixel")
    parser.add_argument("--config", help="a recipe's file")
    chosen, rest = parser.parse_known_args(given)
    if chosen.config is None and chosen.recipe is None and {"-h", "--help"} & set(rest):
        parser.print_help()
    elif chosen.config is None and chosen.recipe in (None, "superpixel"):
        from clustseg.training.superpixels import main as train

        train(rest)
    else:
        from clustseg.training.masks import main as train

        train([*(("--config", chosen.config) if chosen.config else ("--recipe", chosen.recipe)), *rest])


if __name__ == "__main__":
    main()
