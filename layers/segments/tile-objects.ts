import { ClustsegError } from "./errors.js";
import type { ObjectLabels, SceneObject } from "./objects.js";
import { assertGrid, NO_LABEL } from "./segment-map.js";
import {
  agree,
  common,
  groupSightings,
  isDoubtful,
  type Match,
  matchesOf,
  type ObjectTile,
  objectOfSightings,
  type Side,
  type Sighting,
  sidesSeenBy,
} from "./sightings.js";
import type { Rectangle } from "./stitch.js";
import { findRoot } from "./union-find.js";

/** The objects of a large picture, gathered tile by tile. */
export interface ObjectCanvas {
  readonly width: number;
  readonly height: number;
  /** Index of each pixel's sighting and 1, or 0 for none. */
  readonly pixels: Uint32Array;
  readonly sightings: Sighting[];
  /** By category: the sighting of an object that is not countable. */
  readonly shared: Map<number, number>;
  /** Tiles that a later one can overlap. */
  readonly held: HeldTile[];
  readonly matches: Match[];
  tiles: number;
}

interface HeldTile extends ObjectTile {
  readonly tile: number;
  /** Sighting of each label, by index. */
  readonly numbers: readonly number[];
  /** The tiles that it overlaps, so far. */
  readonly beside: { readonly tile: number; readonly core: Rectangle }[];
}

/**
 * A canvas with no tile on it. Needs 4 bytes a pixel, and what two rows of tiles need.
 * @throws ClustsegError SEGMENT_MAP_INVALID (sizes)
 */
export function createObjectCanvas(width: number, height: number): ObjectCanvas {
  const size = Number.isSafeInteger(width * height) && width > 0 && height > 0 ? width * height : 0;
  assertGrid(size, width, height);
  const pixels = new Uint32Array(size);
  return { width, height, pixels, sightings: [], shared: new Map(), held: [], matches: [], tiles: 0 };
}

/**
 * Puts a tile's core onto the canvas, and compares its countable objects with those of the tiles that it overlaps
 * (`matchesOf`). Tiles come row by row.
 *
 * @throws ClustsegError SEGMENT_MAP_INVALID when the tile leaves the canvas
 */
export function addTile(canvas: ObjectCanvas, tile: ObjectTile): void {
  const { area, core, labels, objects } = tile;
  assertGrid(labels.length, area.width, area.height);
  assertInside(area, { x: 0, y: 0, width: canvas.width, height: canvas.height });
  assertInside(core, area);
  const number = canvas.tiles++;
  const numbers = objects.map((object) => sightingOf(canvas, object, number));
  const sightings = numbers.map((index) => canvas.sightings[index]!);
  eachRun(labels, 0, labels.length, (label, from, to) => {
    sightings[label]!.seen += to - from;
  });
  for (let y = 0; y < core.height; y++) {
    const source = (core.y - area.y + y) * area.width + core.x - area.x;
    const target = (core.y + y) * canvas.width + core.x;
    eachRun(labels, source, source + core.width, (label, from, to) => {
      canvas.pixels.fill(numbers[label]! + 1, target + from - source, target + to - source);
      const sighting = sightings[label]!;
      sighting.kept += to - from;
      sighting.score += (to - from) * objects[label]!.score;
    });
  }
  noteCuts(canvas, tile, sightings);
  const added: HeldTile = { ...tile, tile: number, numbers, beside: [] };
  const past = canvas.held.filter((other) => other.area.y + other.area.height <= area.y);
  for (const other of past) release(canvas, other);
  canvas.held.splice(0, past.length);
  for (const other of canvas.held) meet(canvas, other, added);
  canvas.held.push(added);
}

/**
 * The objects of the whole picture. Sightings on which tiles agree are one object, which has in each of those tiles' cores what
 * that tile gives it. Where an object reaches into the core of a tile that does not see it, it goes on as its own tile has it,
 * as far as there is no other object. But an object is marked as dropped when the tiles that see more of it say otherwise
 * (`isDoubtful`). So an object on a seam is one object or none, and never a half.
 *
 * @throws ClustsegError SEGMENT_LIMIT when there are more objects than labels
 */
export function finishObjects(canvas: ObjectCanvas): ObjectLabels {
  for (const tile of canvas.held.splice(0)) release(canvas, tile);
  const groups = groupSightings(canvas.sightings, canvas.matches);
  const members = new Map<number, Sighting[]>();
  for (const [index, sighting] of canvas.sightings.entries()) {
    const root = findRoot(groups, index);
    const group = members.get(root);
    if (group === undefined) members.set(root, [sighting]);
    else group.push(sighting);
  }
  const objects: SceneObject[] = [];
  const labelOf = new Uint16Array(canvas.sightings.length + 1).fill(NO_LABEL);
  for (const [root, group] of members) {
    if (group.every(({ kept }) => kept === 0)) continue;
    if (objects.length === NO_LABEL) throw tooManyObjects(canvas);
    labelOf[root + 1] = objects.push(objectOfSightings(group)) - 1;
  }
  for (let index = 0; index < canvas.sightings.length; index++) {
    labelOf[index + 1] = labelOf[findRoot(groups, index) + 1]!;
  }
  // In place: label i is written to bytes 2i and 2i + 1, after number i was read from byte 4i on.
  const { pixels } = canvas;
  const labels = new Uint16Array(pixels.buffer, 0, pixels.length);
  for (let i = 0; i < labels.length; i++) labels[i] = labelOf[pixels[i]!]!;
  return { labels, objects };
}

function sightingOf({ sightings, shared }: ObjectCanvas, object: SceneObject, tile: number): number {
  const known = object.countable ? undefined : shared.get(object.categoryId);
  if (known !== undefined) return known;
  const index = sightings.push({ object, tile, seen: 0, kept: 0, score: 0, partners: new Set(), cutBy: new Map() }) - 1;
  if (!object.countable) shared.set(object.categoryId, index);
  return index;
}

/** Tells of each stretch of equal labels, other than none, from `start` to `end`. */
function eachRun(
  labels: Uint16Array,
  start: number,
  end: number,
  tell: (label: number, from: number, to: number) => void,
): void {
  for (let i = start; i < end; ) {
    const label = labels[i]!;
    const begin = i;
    do i++;
    while (i < end && labels[i] === label);
    if (label !== NO_LABEL) tell(label, begin, i);
  }
}

function meet({ sightings, matches }: ObjectCanvas, one: HeldTile, other: HeldTile): void {
  const { width, height } = common(one.area, other.area);
  if (width <= 0 || height <= 0) return;
  one.beside.push(other);
  other.beside.push(one);
  for (const match of matchesOf(one, other)) {
    agree(sightings[match.a]!, one.area, other);
    agree(sightings[match.b]!, other.area, one);
    matches.push(match);
  }
}

/** Networks see little at the very border of what they are given: so near to a side, as a part of the margin, counts as at it. */
const sidePart = 8;

/** Finds the objects at those sides of the tile that lie inside the picture. */
function noteCuts(canvas: ObjectCanvas, { area, core, labels }: ObjectTile, sightings: readonly Sighting[]): void {
  const { width, height } = area;
  const [right, bottom] = [width - (core.x - area.x) - core.width, height - (core.y - area.y) - core.height];
  const deep = (margin: number): number => Math.max(1, Math.floor(margin / sidePart));
  const strips: Record<Side, Rectangle> = {
    left: { x: 0, y: 0, width: deep(core.x - area.x), height },
    right: { x: width - deep(right), y: 0, width: deep(right), height },
    top: { x: 0, y: 0, width, height: deep(core.y - area.y) },
    bottom: { x: 0, y: height - deep(bottom), width, height: deep(bottom) },
  };
  for (const side of sidesSeenBy({ x: 0, y: 0, width: canvas.width, height: canvas.height }, area)) {
    const strip = strips[side];
    for (let y = strip.y; y < strip.y + strip.height; y++) {
      const row = y * width + strip.x;
      eachRun(labels, row, row + strip.width, (label, from, to) => {
        const { cutBy } = sightings[label]!;
        const upright = side === "left" || side === "right";
        const [first, last] = upright
          ? [area.y + y, area.y + y]
          : [area.x + from - y * width, area.x + to - 1 - y * width];
        const before = cutBy.get(side) ?? { from: first, to: last };
        cutBy.set(side, { from: Math.min(before.from, first), to: Math.max(before.to, last) });
      });
    }
  }
}

/** All tiles that overlap this one are there: its objects go on into the cores of those that do not see them. */
function release({ sightings, pixels, width }: ObjectCanvas, tile: HeldTile): void {
  const seen = tile.numbers.map((index) => sightings[index]!);
  if (!seen.some(({ object, kept, seen }) => object.countable && kept < seen)) return;
  const doubtful = seen.map(isDoubtful);
  const isTaken = (number: number): boolean => number > 0 && sightings[number - 1]!.object.countable;
  for (const { tile: other, core } of tile.beside) {
    const part = common(tile.area, core);
    const goesOn = seen.map(
      ({ object, partners }, label) => object.countable && !doubtful[label] && !partners.has(other),
    );
    for (let y = part.y; y < part.y + part.height; y++) {
      const source = (y - tile.area.y) * tile.area.width + part.x - tile.area.x;
      eachRun(tile.labels, source, source + part.width, (label, from, to) => {
        if (!goesOn[label]) return;
        const sighting = seen[label]!;
        const shift = y * width + part.x - source;
        for (let i = from; i < to; i++) {
          if (isTaken(pixels[i + shift]!)) continue;
          pixels[i + shift] = tile.numbers[label]! + 1;
          sighting.kept++;
          sighting.score += sighting.object.score;
        }
      });
    }
  }
}

function assertInside(inner: Rectangle, outer: Rectangle): void {
  const { width, height } = common(inner, outer);
  if (width === inner.width && height === inner.height && width > 0 && height > 0) return;
  throw new ClustsegError(
    "SEGMENT_MAP_INVALID",
    `${inner.width} x ${inner.height} pixels at (${inner.x}, ${inner.y}) leave those of ${outer.width} x ${outer.height}`,
    { hint: "This is a bug in how tiles are laid out: report it." },
  );
}

function tooManyObjects({ width, height }: ObjectCanvas): ClustsegError {
  return new ClustsegError("SEGMENT_LIMIT", `More than ${NO_LABEL} objects in ${width} x ${height} pixels`, {
    hint: "Raise the threshold, or cut the image into several: a map has 16 bits a pixel.",
  });
}
