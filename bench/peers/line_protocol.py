"""What the Python peers of the benches have in common: one JSON document a line, in and out, and one thread."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"


def open_replies() -> Callable[[dict], None]:
    """Gives `reply`. What a library prints would break the protocol, so from here on it goes to stderr."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def reply(document: dict) -> None:
        print(json.dumps(document), file=replies, flush=True)

    return reply


def requests() -> Iterator[dict]:
    for line in sys.stdin:
        yield json.loads(line)
