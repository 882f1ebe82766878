"""Tables that a command writes into a document, so that they are what was measured."""

from __future__ import annotations

import re
from collections.abc import Callable


def filled(text: str, rows: dict[str, list[str]], command: str) -> str:
    """The document with new tables between its comments, `<!-- name: command -->` and `<!-- end of name -->`."""
    for name, lines in rows.items():
        begin, end = f"<!-- {name}: {command} -->", f"<!-- end of {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise SystemExit(f"the document needs one line {begin} and one line {end} behind it")
        body = "\n".join(lines)
        replacement: Callable[[re.Match], str] = lambda _, body=body: f"{begin}\n\n{body}\n\n{end}"
        text = re.sub(re.escape(begin) + ".*?" + re.escape(end), replacement, text, flags=re.DOTALL)
    return text
