"""Large images tile by tile, for measuring: the tiles of layers/model/mask-tiles.ts, and objects of two tiles joined by the rule of
layers/segments/tile-objects.ts (without its care for what only one of two tiles sees).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from clustseg.bundle.components import NO_LABEL


@dataclass(frozen=True)
class Tile:
    """(rows, columns) that the graph sees, and those of them whose labels are kept; all cores cover the picture once."""

    area: tuple[slice, slice]
    core: tuple[slice, slice]


@dataclass(frozen=True)
class Objects:
    """labels int [H, W]: object, NO_LABEL = none. Of each object its class, score, whether it counts as one, and whether it is
    to be dropped."""

    labels: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    countable: np.ndarray
    dropped: np.ndarray


def plan_tiles(height: int, width: int, side: int, overlap: int, align: int = 32) -> list[Tile]:
    """Tiles row by row; one that is all of the picture where it has no more than side x side pixels."""
    if height * width <= side * side:
        return [Tile((slice(0, height), slice(0, width)), (slice(0, height), slice(0, width)))]
    columns = _spans(width, side, overlap, align)
    return [Tile((v[0], h[0]), (v[1], h[1])) for v in _spans(height, side, overlap, align) for h in columns]


def _spans(length: int, side: int, overlap: int, align: int) -> list[tuple[slice, slice]]:
    if length <= side:
        return [(slice(0, length), slice(0, length))]
    steps = -(-(length - overlap) // align)
    count = -(-steps // ((side - overlap) // align))
    begin = [align * (tile * steps // count) for tile in range(count)]
    seam = [at + overlap // 2 for at in begin]
    spans = []
    for tile in range(count):
        last = tile == count - 1
        end = length if last else begin[tile + 1] + overlap
        core = slice(0 if tile == 0 else seam[tile], length if last else seam[tile + 1])
        spans.append((slice(begin[tile], end), core))
    return spans


@dataclass
class _Sighting:
    """An object as one tile shows it."""

    category: int
    countable: bool
    tile: int
    kept: int = 0
    score: float = 0.0


@dataclass
class ObjectCanvas:
    """A large picture's objects, gathered tile by tile; `add` in the order of `plan_tiles`, then `finish`."""

    height: int
    width: int
    _sightings: list[_Sighting] = field(default_factory=list)
    _shared: dict[int, int] = field(default_factory=dict)
    _matches: list[tuple[float, int, int]] = field(default_factory=list)
    _held: list[tuple[Tile, np.ndarray, np.ndarray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pixels = np.full((self.height, self.width), -1, np.int64)

    def add(self, tile: Tile, found: Objects) -> None:
        number = len(self._held)
        numbers = np.full(NO_LABEL + 1, -1, np.int64)
        for index, (category, countable) in enumerate(zip(found.classes.tolist(), found.countable.tolist())):
            known = None if countable else self._shared.get(category)
            if known is None:
                known = len(self._sightings)
                self._sightings.append(_Sighting(category, countable, number))
                if not countable:
                    self._shared[category] = known
            numbers[index] = known
        seen = numbers[found.labels]
        (rows, columns), (core_rows, core_columns) = tile.area, tile.core
        inner = (
            slice(core_rows.start - rows.start, core_rows.stop - rows.start),
            slice(core_columns.start - columns.start, core_columns.stop - columns.start),
        )
        kept = seen[inner]
        self._pixels[core_rows, core_columns] = kept
        labels, pixels = np.unique(found.labels[inner], return_counts=True)
        for label, count in zip(labels.tolist(), pixels.tolist()):
            if label != NO_LABEL:
                sighting = self._sightings[numbers[label]]
                sighting.kept += count
                sighting.score += count * float(found.scores[label])
        countable = np.array([one.countable for one in self._sightings], bool)
        things = np.where((seen >= 0) & countable[seen], seen, -1)
        for other, their_things, _ in self._held:
            self._matches += _compare(other, their_things, tile, things)
        self._held.append((tile, things, seen))

    def finish(self) -> Objects:
        """Sightings in two tiles are one object when their IoU, where both tiles look, is above 1/2; never two of one tile."""
        parent = list(range(len(self._sightings)))

        def root(of: int) -> int:
            while parent[of] != of:
                of = parent[of]
            return of

        tiles = [{one.tile} for one in self._sightings]
        for _, one, other in sorted(self._matches, key=lambda match: (-match[0], match[1], match[2])):
            a, b = root(one), root(other)
            if a != b and not tiles[a] & tiles[b]:
                low, high = min(a, b), max(a, b)
                parent[high] = low
                tiles[low] = tiles[a] | tiles[b]
        groups: dict[int, list[_Sighting]] = {}
        for index, one in enumerate(self._sightings):
            groups.setdefault(root(index), []).append(one)
        label_of = np.full(len(self._sightings) + 1, NO_LABEL, np.int64)
        rows = []
        for of, members in groups.items():
            pixels = sum(one.kept for one in members)
            if pixels == 0:
                continue
            by_class: dict[int, float] = {}
            for one in members:
                by_class[one.category] = by_class.get(one.category, 0.0) + one.score
            best = max(by_class, key=by_class.__getitem__)
            rows.append((best, by_class[best] / pixels, members[0].countable))
            label_of[of] = len(rows) - 1
        for index in range(len(self._sightings)):
            label_of[index] = label_of[root(index)]
        classes, scores, countable = (np.array([row[at] for row in rows]) for at in range(3))
        return Objects(label_of[self._pixels], classes.astype(np.int64), scores, countable.astype(bool), np.zeros(len(rows), bool))


def _compare(one: Tile, of_one: np.ndarray, other: Tile, of_other: np.ndarray) -> list[tuple[float, int, int]]:
    """(IoU, sighting, sighting) above 1/2 of countable objects where two tiles overlap."""
    common = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one.area, other.area)]
    if any(span.start >= span.stop for span in common):
        return []

    def cut(tile: Tile, plane: np.ndarray) -> np.ndarray:
        rows, columns = (slice(span.start - own.start, span.stop - own.start) for span, own in zip(common, tile.area))
        return plane[rows, columns].reshape(-1)

    a, b = cut(one, of_one), cut(other, of_other)
    both = (a >= 0) & (b >= 0)
    pairs, shared = np.unique(np.stack([a[both], b[both]]), axis=1, return_counts=True)
    matches = []
    for (first, second), pixels in zip(pairs.T.tolist(), shared.tolist()):
        union = int((a == first).sum() + (b == second).sum()) - pixels
        if 2 * pixels > union:
            matches.append((pixels / union, first, second))
    return matches
