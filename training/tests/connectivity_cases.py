"""The cases that hold Python's and TypeScript's connectivity to one behaviour, and the algorithm at its plainest.

    python tests/connectivity_cases.py      writes test/segments/fixtures/connectivity.json
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np

NONE = 65_535
FIXTURE = Path(__file__).parents[2] / "test" / "segments" / "fixtures" / "connectivity.json"


def plain_connectivity(labels: list[list[int]], min_area: int) -> list[list[int]]:
    """The algorithm as one would say it: floods, sets and no cleverness. What `expected` in the fixture is made with."""
    height, width = len(labels), len(labels[0])
    component = [[-1] * width for _ in range(height)]
    pixels: list[list[tuple[int, int]]] = []

    def neighbours(y: int, x: int):
        for other_y, other_x in ((y - 1, x), (y, x - 1), (y, x + 1), (y + 1, x)):
            if 0 <= other_y < height and 0 <= other_x < width:
                yield other_y, other_x

    for y in range(height):
        for x in range(width):
            if labels[y][x] == NONE or component[y][x] >= 0:
                continue
            component[y][x] = len(pixels)
            flood = [(y, x)]
            for at in flood:
                for other_y, other_x in neighbours(*at):
                    if labels[other_y][other_x] == labels[y][x] and component[other_y][other_x] < 0:
                        component[other_y][other_x] = len(pixels)
                        flood.append((other_y, other_x))
            pixels.append(flood)

    group = list(range(len(pixels)))  # every component's group, named by the lowest component in it
    orphans = [number for number in range(len(pixels)) if len(pixels[number]) < min_area]
    for orphan in sorted(orphans, key=lambda number: (len(pixels[number]), number)):
        border: Counter[int] = Counter()
        for at in pixels[orphan]:
            for other_y, other_x in neighbours(*at):
                other = component[other_y][other_x]
                if other >= 0 and group[other] != group[orphan]:
                    border[group[other]] += 1
        if border:
            best = min(border, key=lambda name: (-border[name], name))
            old = group[orphan]
            group = [min(old, best) if name in (old, best) else name for name in group]

    ids: dict[int, int] = {}
    result = [[0] * width for _ in range(height)]
    for y in range(height):
        for x in range(width):
            if component[y][x] >= 0:
                result[y][x] = ids.setdefault(group[component[y][x]], len(ids) + 1)
    return result


def named_cases() -> list[tuple[str, list[list[int]], int]]:
    """(what it is about, labels, minimum area) of each case in the fixture."""
    n = NONE
    random = np.random.default_rng(2305)
    patches = random.integers(0, 6, (4, 5)).repeat(4, axis=0).repeat(3, axis=1)
    specks = np.where(random.random(patches.shape) < 0.15, random.integers(0, 6, patches.shape), patches)
    holes = np.where(random.random(specks.shape) < 0.2, n, specks)
    return [
        ("one pixel", [[7]], 10),
        ("one pixel of none", [[n]], 1),
        ("a label in two places is two segments", [[1, 1, 2, 1, 1], [1, 1, 2, 1, 1]], 2),
        ("diagonal pixels do not touch", [[0, 1], [1, 0]], 1),
        ("a tie goes to the group that begins first", [[5, 5, 9, 3, 3], [5, 5, 5, 3, 3]], 2),
        ("the longest border wins over the lower number", [[4, 4, 4, 4], [4, 8, 2, 2], [2, 2, 2, 2]], 2),
        ("none is no neighbour, and an orphan in it stays", [[n, n, n, n], [n, 3, n, 6], [n, n, n, 6]], 4),
        ("orphans join orphans, smallest first", [[1, 2, 2, 3, 3, 3, 4, 4, 4, 4]], 4),
        ("borders with a group add up", [[1, 1, 1, 1, 1], [2, 3, 4, 3, 5], [2, 2, 2, 2, 5], [2, 2, 2, 2, 5]], 3),
        ("all orphans", random.integers(0, 3, (5, 6)).tolist(), 100),
        ("nothing is an orphan", random.integers(0, 2, (4, 6)).tolist(), 0),
        ("noise", random.integers(0, 4, (12, 11)).tolist(), 4),
        ("patches with specks", specks.tolist(), 6),
        ("patches with specks and none", holes.tolist(), 6),
        ("a column", random.integers(0, 3, (24, 1)).tolist(), 3),
    ]


def fixture() -> dict[str, object]:
    """The fixture: labels and expected ids row by row in one list."""
    cases = []
    for name, labels, min_area in named_cases():
        expected = plain_connectivity(labels, min_area)
        cases.append(
            {
                "name": name,
                "width": len(labels[0]),
                "height": len(labels),
                "minArea": min_area,
                "labels": [label for row in labels for label in row],
                "expected": [number for row in expected for number in row],
            }
        )
    return {"cases": cases}


def fixture_text() -> str:
    """One case a line, so that a change shows as the case that changed."""
    lines = ",\n".join("    " + json.dumps(case) for case in fixture()["cases"])
    return f'{{\n  "cases": [\n{lines}\n  ]\n}}\n'


if __name__ == "__main__":
    FIXTURE.parent.mkdir(parents=True, exist_ok=True)
    FIXTURE.write_text(fixture_text())
    print(f"{len(named_cases())} cases: {FIXTURE.name}")
