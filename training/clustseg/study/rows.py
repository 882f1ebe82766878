"""An ablation: a row a run, told as it ends, and all of them in a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path


def measure_rows(rows: Iterable[dict], format_rows: Callable[[list[dict]], str], about: dict, out: Path) -> None:
    """Prints each of `rows` as it is there and then the table, and writes them with `about` to `out`."""
    measured: list[dict] = []
    for row in rows:
        measured.append(row)
        print(format_rows([row]).splitlines()[-1], flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**about, "rows": measured}, indent=1) + "\n")
    print(format_rows(measured))
