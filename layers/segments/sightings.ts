import type { ObjectLabels, SceneObject } from "./objects.js";
import { NO_LABEL } from "./segment-map.js";
import type { Rectangle } from "./stitch.js";
import { findRoot, ownGroups, unite } from "./union-find.js";

/** The objects of one tile of a large picture. */
export interface ObjectTile extends ObjectLabels {
  /** The tile's place in the picture; `labels` are of it. */
  readonly area: Rectangle;
  /** The part of it whose labels are kept. The cores of all tiles cover the picture once. */
  readonly core: Rectangle;
}

/** An object as one tile shows it. All tiles share the one of an object that is not countable. */
export interface Sighting {
  readonly object: SceneObject;
  readonly tile: number;
  /** Pixels in the tile. */
  seen: number;
  /** Pixels that are its in the picture: those in the tile's core, and what was added to them. */
  kept: number;
  /** Sum over the pixels kept. */
  score: number;
  /** Tiles that show the same object. */
  readonly partners: Set<number>;
  /** Where it touches sides of the tile that lie inside the picture: there the tile cuts it off. */
  readonly cutBy: Map<Side, Cut>;
}

export type Side = "left" | "right" | "top" | "bottom";

/** First and last place along the side, in the picture's coordinates. */
export interface Cut {
  readonly from: number;
  readonly to: number;
}

/** The sides of `one` beyond which `other` sees. */
export function sidesSeenBy(other: Rectangle, one: Rectangle): Side[] {
  const sides: [Side, boolean][] = [
    ["left", other.x < one.x],
    ["right", other.x + other.width > one.x + one.width],
    ["top", other.y < one.y],
    ["bottom", other.y + other.height > one.y + one.height],
  ];
  return sides.filter(([, seen]) => seen).map(([side]) => side);
}

/** Two sightings of countable objects in two tiles, by index, and how far they agree where both tiles look. */
export interface Match {
  readonly a: number;
  readonly b: number;
  readonly iou: number;
}

/** Notes that another tile shows the object of a sighting, which it may also see beyond sides that cut the sighting off. */
export function agree(
  sighting: Sighting,
  own: Rectangle,
  other: { readonly tile: number; readonly area: Rectangle },
): void {
  const { partners, cutBy } = sighting;
  partners.add(other.tile);
  for (const side of sidesSeenBy(other.area, own)) {
    const { from = 0, to = 0 } = cutBy.get(side) ?? {};
    const [begin, length] =
      side === "left" || side === "right" ? [other.area.y, other.area.height] : [other.area.x, other.area.width];
    const middle = (from + to) / 2;
    if (middle >= begin && middle < begin + length) cutBy.delete(side);
  }
}

/**
 * Do tiles that see more of an object say otherwise? Those beside its own, when they have most of its pixels and none agrees; and
 * those beyond a side that cuts it off, where none agrees.
 */
export function isDoubtful({ object, partners, cutBy, kept, seen }: Sighting): boolean {
  return object.countable && (cutBy.size > 0 || (partners.size === 0 && 2 * kept < seen));
}

/**
 * The countable objects that two tiles agree on: of what either has where both tiles look, more than half is common to both
 * (intersection over union above 1/2), so that each has one partner in another tile at most.
 *
 * @param numbers the sightings of each tile's labels, by index
 */
export function matchesOf(
  one: ObjectTile & { readonly numbers: readonly number[] },
  other: ObjectTile & { readonly numbers: readonly number[] },
): Match[] {
  const { x: left, y: top, width, height } = common(one.area, other.area);
  const right = left + width;
  const inOne = new Float64Array(one.objects.length);
  const inOther = new Float64Array(other.objects.length);
  const inBoth = new Map<number, number>();
  for (let y = top; y < top + height; y++) {
    const rowOfOne = (y - one.area.y) * one.area.width - one.area.x;
    const rowOfOther = (y - other.area.y) * other.area.width - other.area.x;
    for (let x = left; x < right; ) {
      const a = one.labels[rowOfOne + x]!;
      const b = other.labels[rowOfOther + x]!;
      const begin = x;
      do x++;
      while (x < right && one.labels[rowOfOne + x] === a && other.labels[rowOfOther + x] === b);
      const length = x - begin;
      const isA = a !== NO_LABEL && one.objects[a]!.countable;
      const isB = b !== NO_LABEL && other.objects[b]!.countable;
      if (isA) inOne[a] = inOne[a]! + length;
      if (isB) inOther[b] = inOther[b]! + length;
      if (isA && isB) inBoth.set(a * 65_536 + b, (inBoth.get(a * 65_536 + b) ?? 0) + length);
    }
  }
  const matches: Match[] = [];
  for (const [pair, intersection] of inBoth) {
    const a = Math.floor(pair / 65_536);
    const b = pair % 65_536;
    const union = inOne[a]! + inOther[b]! - intersection;
    if (2 * intersection > union) matches.push({ a: one.numbers[a]!, b: other.numbers[b]!, iou: intersection / union });
  }
  return matches;
}

/** What two rectangles have in common; its width and height are 0 or less when that is nothing. */
export function common(one: Rectangle, other: Rectangle): Rectangle {
  const x = Math.max(one.x, other.x);
  const y = Math.max(one.y, other.y);
  const right = Math.min(one.x + one.width, other.x + other.width);
  const bottom = Math.min(one.y + one.height, other.y + other.height);
  return { x, y, width: right - x, height: bottom - y };
}

/**
 * Which sightings are one object, as union-find over them: the best agreements first, and never two sightings of one tile,
 * which has told them apart.
 */
export function groupSightings(sightings: readonly Sighting[], matches: readonly Match[]): Int32Array {
  const groups = ownGroups(sightings.length);
  const tilesOf = new Map<number, Set<number>>();
  const tiles = (root: number): Set<number> => tilesOf.get(root) ?? new Set([sightings[root]!.tile]);
  const best = [...matches].sort((one, other) => other.iou - one.iou || one.a - other.a || one.b - other.b);
  for (const { a, b } of best) {
    const rootA = findRoot(groups, a);
    const rootB = findRoot(groups, b);
    if (rootA === rootB) continue;
    const [ofA, ofB] = [tiles(rootA), tiles(rootB)];
    if ([...ofA].some((tile) => ofB.has(tile))) continue;
    tilesOf.set(unite(groups, rootA, rootB), new Set([...ofA, ...ofB]));
  }
  return groups;
}

/**
 * One object of sightings with pixels. Its class is the one with most score times pixels, its score that by all pixels; it is
 * dropped when most of its pixels are those of doubtful sightings.
 */
export function objectOfSightings(group: readonly Sighting[]): SceneObject {
  const scoreOf = new Map<number, number>();
  let [best, pixels, doubtful] = [group[0]!, 0, 0];
  for (const sighting of group) {
    const { categoryId } = sighting.object;
    scoreOf.set(categoryId, (scoreOf.get(categoryId) ?? 0) + sighting.score);
    if (scoreOf.get(categoryId)! > scoreOf.get(best.object.categoryId)!) best = sighting;
    pixels += sighting.kept;
    if (isDoubtful(sighting)) doubtful += sighting.kept;
  }
  const { categoryId, isThing, countable } = best.object;
  const score = scoreOf.get(categoryId)! / pixels;
  const dropped = 2 * doubtful > pixels;
  return { categoryId, isThing, score, countable, ...(dropped ? { dropped } : {}) };
}
