import type { Polygon, Ring } from "./polygons.js";

/**
 * One ring for formats that know neither holes nor pieces. Rings are joined by cuts: lines without width that are walked there
 * and back, so that they enclose nothing, and what is inside stays exactly the same by either rule of filling (odd or
 * non-zero winding).
 */

/** Where the walk along a ring leaves for another one: at a point of the edge from its corner `edge` to the next. */
interface Joint {
  readonly ring: number;
  readonly edge: number;
  readonly x: number;
  readonly y: number;
  readonly child: number;
  /** Corner of the child at which the walk arrives, goes around, and leaves. */
  readonly start: number;
}

/** A polygon as one ring: its holes hang on upright cuts that go up from their first corners. */
export function withoutHoles({ exterior, holes }: Polygon): Ring {
  const rings = [exterior, ...holes];
  return holes.length === 0 ? exterior : walked(rings, holeJoints(rings, 0));
}

/**
 * All pieces of a segment as one ring, each joined to the one before it where they come nearest to each other, as Ultralytics'
 * own converter from COCO does (`merge_multi_segment`).
 *
 * @param pieces at least one
 */
export function joinedPieces(pieces: readonly Polygon[]): Ring {
  const [first, ...others] = pieces;
  if (others.length === 0) return withoutHoles(first!);
  const rings: Ring[] = [];
  const joints: Joint[] = [];
  let before = -1;
  for (const { exterior, holes } of pieces) {
    const at = rings.length;
    rings.push(exterior, ...holes);
    joints.push(...holeJoints([exterior, ...holes], at));
    if (before >= 0) {
      const [edge, start] = nearestCorners(rings[before]!, exterior);
      const near = rings[before]!;
      joints.push({ ring: before, edge, x: near[2 * edge]!, y: near[2 * edge + 1]!, child: at, start });
    }
    before = at;
  }
  return walked(rings, joints);
}

/**
 * Going straight up from a hole's first corner, its topmost and then leftmost, one is inside the polygon until one meets a
 * ring, which has a corner further up and so comes earlier in the order of first corners: all holes end at the exterior.
 * A sweep from the top remembers the latest edge in each column of pixels, in time linear in the rings' length.
 *
 * @param rings the exterior, and the holes in raster order of their first corners
 * @param offset number of the exterior among all rings that are walked
 */
function holeJoints(rings: readonly Ring[], offset: number): Joint[] {
  if (rings.length === 1) return [];
  const edges = levelEdges(rings);
  const left = edges.reduce((least, { from }) => Math.min(least, from), Number.POSITIVE_INFINITY);
  const right = edges.reduce((most, { to }) => Math.max(most, to), 0);
  const latest = new Int32Array(right - left).fill(-1);
  let painted = 0;
  const paintBelow = (y: number): void => {
    for (; painted < edges.length && edges[painted]!.y < y; painted++) {
      const { from, to } = edges[painted]!;
      latest.fill(painted, from - left, to - left);
    }
  };

  const joints: Joint[] = [];
  for (let child = 1; child < rings.length; ) {
    const y = rings[child]![1]!;
    let end = child;
    while (end < rings.length && rings[end]![1] === y) end++;
    paintBelow(y);
    // Of the column right of the corner the hole's own edge must not be seen, of the one left of it an edge that ends here must.
    const above = rings.slice(child, end).map((hole) => latest[hole[0]! - left]!);
    paintBelow(y + 1);
    for (const [i, over] of above.entries()) {
      const x = rings[child + i]![0]!;
      const beside = latest[x - 1 - left]!;
      const { ring, edge, y: level } = edges[Math.max(over, beside)]!;
      joints.push({ ring: ring + offset, edge, x, y: level, child: child + i + offset, start: 0 });
    }
    child = end;
  }
  return joints;
}

interface LevelEdge {
  readonly y: number;
  /** Left and right end. */
  readonly from: number;
  readonly to: number;
  readonly ring: number;
  readonly edge: number;
}

/** The edges that run left or right, from the top down: a later one is never higher. */
function levelEdges(rings: readonly Ring[]): LevelEdge[] {
  const edges: LevelEdge[] = [];
  for (const [ring, corners] of rings.entries()) {
    for (let i = 0; i < corners.length; i += 2) {
      const next = (i + 2) % corners.length;
      if (corners[i + 1] !== corners[next + 1]) continue;
      const [x, nextX] = [corners[i]!, corners[next]!];
      edges.push({ y: corners[i + 1]!, from: Math.min(x, nextX), to: Math.max(x, nextX), ring, edge: i / 2 });
    }
  }
  return edges.sort((a, b) => a.y - b.y);
}

/** The corners, one of each ring, that are nearest to each other; of several such pairs the first in the order of `b`. */
function nearestCorners(a: Ring, b: Ring): [ofA: number, ofB: number] {
  const byY = Int32Array.from({ length: a.length / 2 }, (_, i) => i).sort((i, j) => a[2 * i + 1]! - a[2 * j + 1]!);
  let best: [number, number] = [0, 0];
  let least = Number.POSITIVE_INFINITY;
  for (let j = 0; j < b.length; j += 2) {
    const x = b[j]!;
    const y = b[j + 1]!;
    const middle = firstNotAbove(a, byY, y);
    // Outwards from the corner's own height, as long as height alone does not keep the others away.
    for (const step of [1, -1]) {
      for (let k = step > 0 ? middle : middle - 1; k >= 0 && k < byY.length; k += step) {
        const i = byY[k]!;
        const down = a[2 * i + 1]! - y;
        if (down * down >= least) break;
        const distance = down * down + (a[2 * i]! - x) ** 2;
        if (distance >= least) continue;
        least = distance;
        best = [i, j / 2];
      }
    }
  }
  return best;
}

function firstNotAbove(ring: Ring, byY: Int32Array, y: number): number {
  let low = 0;
  let high = byY.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ring[2 * byY[middle]! + 1]! < y) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Along ring 0 and, at each joint, out to a child, around it, and back. */
function walked(rings: readonly Ring[], joints: readonly Joint[]): Ring {
  const leaving = jointsByEdge(rings, joints);
  const points = new Int32Array(rings.reduce((length, ring) => length + ring.length, 0) + 6 * joints.length);
  let length = 0;
  const pass = (x: number, y: number): void => {
    if (length > 0 && points[length - 2] === x && points[length - 1] === y) return;
    points[length++] = x;
    points[length++] = y;
  };

  // By a stack of its own: holes can hang on holes in chains longer than the engine's.
  const stack = [{ ring: 0, start: 0, step: 0, joint: 0, from: undefined as Joint | undefined }];
  for (let at = stack.at(-1); at !== undefined; at = stack.at(-1)) {
    const corners = rings[at.ring]!;
    if (2 * at.step === corners.length) {
      stack.pop();
      if (at.from === undefined) continue;
      pass(corners[2 * at.start]!, corners[2 * at.start + 1]!);
      pass(at.from.x, at.from.y);
      continue;
    }
    const corner = (at.start + at.step) % (corners.length / 2);
    if (at.joint === 0) pass(corners[2 * corner]!, corners[2 * corner + 1]!);
    const joint = leaving[at.ring]!.get(corner)?.[at.joint];
    if (joint === undefined) {
      at.step++;
      at.joint = 0;
      continue;
    }
    at.joint++;
    pass(joint.x, joint.y);
    stack.push({ ring: joint.child, start: joint.start, step: 0, joint: 0, from: joint });
  }
  // Back where it began, if the last joint was there.
  if (points[0] === points[length - 2] && points[1] === points[length - 1]) length -= 2;
  return points.slice(0, length);
}

/** The joints of each ring, of each of its edges, in the order in which the walk comes past them. */
function jointsByEdge(rings: readonly Ring[], joints: readonly Joint[]): Map<number, Joint[]>[] {
  const leaving = rings.map(() => new Map<number, Joint[]>());
  for (const joint of joints) {
    const ofRing = leaving[joint.ring]!;
    const ofEdge = ofRing.get(joint.edge);
    if (ofEdge === undefined) ofRing.set(joint.edge, [joint]);
    else ofEdge.push(joint);
  }
  for (const [ring, ofRing] of leaving.entries()) {
    for (const [edge, ofEdge] of ofRing) {
      const corner = rings[ring]!;
      const way = ({ x, y }: Joint) => Math.abs(x - corner[2 * edge]!) + Math.abs(y - corner[2 * edge + 1]!);
      ofEdge.sort((a, b) => way(a) - way(b));
    }
  }
  return leaving;
}
