"""Commands that do one thing for every kind of run or bundle: what they are given decides which options there are."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def parse_kind(prog: str, doc: str | None, option: str, given: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """The folder that `option` gives, and all other arguments. --help without that folder tells what there is to tell and ends;
    with it, it is left to the kind's own command."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        epilog=f"Further options depend on the kind of {option[2:]}: {prog} {option} <folder> --help lists them.",
    )
    needed = parser.add_argument(option, type=Path, required=True, help=f"folder of the {option[2:]}")
    asks = parser.add_argument("-h", "--help", action="store_true", help="show this, or the options of that kind")
    needed.required = False
    chosen, rest = parser.parse_known_args(given)
    needed.required = True
    if getattr(chosen, option[2:]) is None:
        if chosen.help:
            parser.print_help()
            raise SystemExit
        parser.error(f"the following arguments are required: {option}")
    return chosen, [*rest, *asks.option_strings[1:]] if chosen.help else rest
