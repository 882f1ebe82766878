"""Where the data sets lie: CLUSTSEG_DATA, else the folder data, or what --data says."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def data_root() -> Path:
    """The folder of the data sets, where no option says another."""
    return Path(os.environ.get("CLUSTSEG_DATA", "data"))


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """--data, of commands that read data sets below the root."""
    help = "folder of the data sets (default: $CLUSTSEG_DATA, else data; now %(default)s)"
    parser.add_argument("--data", type=Path, default=data_root(), help=help)


def existing_root(root: Path) -> Path:
    """The folder of the data sets, before anything in it is read. Raises SystemExit that says what to do where it is not there."""
    if not root.is_dir():
        raise SystemExit(f"{root}: there is no such folder; set CLUSTSEG_DATA or give --data, the folder of the data sets")
    return root


def recipe_folder(root: Path, folder: str) -> Path:
    """The data set of a recipe, which lies in `folder` below the root. Data of one's own have none, and their reader knows
    where they are."""
    return existing_root(root) / folder if folder else root


def bsds500_folder(root: Path) -> Path:
    """BSDS500 below the folder of the data sets; its own folder, which holds train, val or test, is taken as it is. Raises
    SystemExit where it is neither."""
    own = existing_root(root) / "bsds500"
    if own.is_dir():
        return own
    if any((root / split).is_dir() for split in ("train", "val", "test")):
        return root
    raise SystemExit(f"{own}: there is no such folder; set CLUSTSEG_DATA or give --data, the folder that holds bsds500")
