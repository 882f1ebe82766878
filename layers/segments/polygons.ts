import type { SegmentMap } from "./segment-map.js";

/**
 * The corners of a closed line along pixel edges: x0, y0, x1, y1, … The first corner, the topmost and of these the leftmost,
 * is not repeated at the end; no three in a row lie on one line; no corner comes twice. (0, 0) is the top left corner of the
 * top left pixel, so the pixel (x, y) is the square from (x, y) to (x + 1, y + 1).
 */
export type Ring = Int32Array;

/** One 4-connected piece of a segment. */
export interface Polygon {
  /** Counter-clockwise by the numbers (its `ringArea` is positive); with y downwards that looks clockwise. */
  readonly exterior: Ring;
  /** Clockwise by the numbers, in raster order of their first corners. They may touch each other, or the exterior, in corners. */
  readonly holes: readonly Ring[];
}

/** Directions are 0 right, 1 down, 2 left, 3 up: the way to the next corner of the pixel grid. */
const STEP_X = [1, 0, -1, 0] as const;
const STEP_Y = [0, 1, 0, -1] as const;
/** From a corner of the grid to the pixel ahead on the right, which is the segment's side. */
const AHEAD_X = [0, -1, -1, 0] as const;
const AHEAD_Y = [0, 0, -1, -1] as const;

/**
 * The outlines of every segment, exactly: what lies inside the exteriors and outside the holes is the segment, pixel by
 * pixel. Element `i` has the polygons of segment `i + 1`, one for each of its 4-connected pieces, in raster order of their
 * first corners: one only, where ids come from `segmentMapFromLabels`. Rings are simple, so each polygon is valid in OGC's sense.
 *
 * Each edge is walked once, with the segment on the right as one looks at the picture; where two of its pixels touch by a
 * corner only, the walk stays with the pixel it comes from, and the loop that such a corner closes is cut off as a ring of its
 * own. Time is linear in pixels and edges.
 */
export function segmentPolygons(map: SegmentMap): Polygon[][] {
  const rings = segmentRings(map);
  return rings.map((own) => polygonsOf(own, map.width));
}

/** Pixels inside, by the shoelace formula; negative for a hole. Exact: the sum is of whole numbers, halved at the end. */
export function ringArea(ring: Ring): number {
  let twice = 0;
  let x = ring[ring.length - 2]!;
  let y = ring[ring.length - 1]!;
  for (let i = 0; i < ring.length; i += 2) {
    const nextX = ring[i]!;
    const nextY = ring[i + 1]!;
    twice += x * nextY - nextX * y;
    x = nextX;
    y = nextY;
  }
  return twice / 2;
}

/** The rings of each segment, exteriors and holes, in the order in which a raster scan meets them. */
function segmentRings({ width, height, segments, ids }: SegmentMap): Ring[][] {
  const rings: Ring[][] = Array.from({ length: segments }, () => []);
  const walked = new Uint8Array(ids.length); // 1: the pixel's top edge belongs to a ring already
  const walk = new Walk();
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const id = ids[i]!;
      if (id === 0 || walked[i] === 1 || (y > 0 && ids[i - width] === id)) continue;
      const own = rings[id - 1]!;
      const inside = (px: number, py: number): boolean =>
        px >= 0 && py >= 0 && px < width && py < height && ids[py * width + px] === id;
      walk.begin();
      // The scan meets a ring's top edges from the left, so this corner is a corner of the ring.
      let [cornerX, cornerY, direction] = [x, y, 0];
      // Only two pixels that touch here by the corner can bring the walk here again.
      let pinched = !inside(x - 1, y) && inside(x - 1, y - 1);
      do {
        const loop = walk.corner(cornerX, cornerY, pinched ? cornerY * (width + 1) + cornerX : -1);
        if (loop !== undefined) own.push(loop);
        for (;;) {
          if (direction === 0) walked[cornerY * width + cornerX] = 1;
          cornerX += STEP_X[direction]!;
          cornerY += STEP_Y[direction]!;
          const left = (direction + 3) & 3;
          const aheadLeft = inside(cornerX + AHEAD_X[left]!, cornerY + AHEAD_Y[left]!);
          if (!inside(cornerX + AHEAD_X[direction]!, cornerY + AHEAD_Y[direction]!)) {
            pinched = aheadLeft;
            direction = (direction + 1) & 3;
            break;
          }
          if (aheadLeft) {
            pinched = false;
            direction = left;
            break;
          }
        }
      } while (cornerX !== x || cornerY !== y || direction !== 0);
      own.push(walk.end());
    }
  }
  return rings;
}

/** The corners passed so far. */
class Walk {
  #points = new Int32Array(256);
  #length = 0;
  /** Where in `#points` the corners are that the walk may come back to. */
  readonly #pinches = new Map<number, number>();

  begin(): void {
    this.#length = 0;
    this.#pinches.clear();
  }

  /**
   * @param pinch number of the corner, if the walk can come here twice, else -1
   * @returns the loop that has been closed, if one has
   */
  corner(x: number, y: number, pinch: number): Ring | undefined {
    let loop: Ring | undefined;
    if (pinch >= 0) {
      const before = this.#pinches.get(pinch);
      if (before === undefined) {
        this.#pinches.set(pinch, this.#length);
      } else {
        loop = fromFirstCorner(this.#points.subarray(before, this.#length));
        this.#length = before;
      }
    }
    if (this.#length === this.#points.length) {
      const points = new Int32Array(2 * this.#length);
      points.set(this.#points);
      this.#points = points;
    }
    this.#points[this.#length++] = x;
    this.#points[this.#length++] = y;
    return loop;
  }

  end(): Ring {
    return fromFirstCorner(this.#points.subarray(0, this.#length));
  }
}

/** The same ring from its topmost, then leftmost corner on: where it begins then does not depend on how it was found. */
function fromFirstCorner(points: Ring): Ring {
  let first = 0;
  for (let i = 2; i < points.length; i += 2) {
    const down = points[i + 1]! - points[first + 1]!;
    if (down < 0 || (down === 0 && points[i]! < points[first]!)) first = i;
  }
  const ring = new Int32Array(points.length);
  ring.set(points.subarray(first));
  ring.set(points.subarray(0, first), points.length - first);
  return ring;
}

function polygonsOf(rings: readonly Ring[], width: number): Polygon[] {
  const exteriors: Ring[] = [];
  const holes: Ring[] = [];
  for (const ring of rings) (ringArea(ring) > 0 ? exteriors : holes).push(ring);
  exteriors.sort(byFirstCorner);
  holes.sort(byFirstCorner);
  if (exteriors.length === 1) return [{ exterior: exteriors[0]!, holes }];
  const polygons = exteriors.map((exterior) => ({ exterior, holes: [] as Ring[] }));
  if (holes.length > 0) {
    const owners = ownersOfHoles(exteriors, holes, width);
    for (const [i, hole] of holes.entries()) polygons[owners[i]!]!.holes.push(hole);
  }
  return polygons;
}

function byFirstCorner(a: Ring, b: Ring): number {
  return a[1]! - b[1]! || a[0]! - b[0]!;
}

/**
 * Which exterior each hole lies in. The two ends of a run of pixels belong to the same piece, whichever rings they are on, and
 * from hole to hole such runs lead to the exterior. So: all upright edges in raster order, which alternate between where a run
 * begins and where it ends, and a union-find whose roots are exteriors.
 */
function ownersOfHoles(exteriors: readonly Ring[], holes: readonly Ring[], width: number): Int32Array {
  const rings = [...exteriors, ...holes];
  const edges: number[] = [];
  for (const [r, ring] of rings.entries()) {
    let y = ring[ring.length - 1]!;
    for (let i = 0; i < ring.length; i += 2) {
      const nextY = ring[i + 1]!;
      const x = ring[i]!;
      for (let row = Math.min(y, nextY); row < Math.max(y, nextY); row++) {
        edges.push((row * (width + 1) + x) * rings.length + r);
      }
      y = nextY;
    }
  }
  const sorted = Float64Array.from(edges).sort();
  const up = Int32Array.from(rings, (_, r) => r);
  const rootOf = (start: number): number => {
    let r = start;
    while (up[r] !== r) {
      up[r] = up[up[r]!]!;
      r = up[r]!;
    }
    return r;
  };
  for (let e = 0; e < sorted.length; e += 2) {
    const begin = rootOf(sorted[e]! % rings.length);
    const end = rootOf(sorted[e + 1]! % rings.length);
    // Exteriors have the lower numbers.
    up[Math.max(begin, end)] = Math.min(begin, end);
  }
  return Int32Array.from(holes, (_, h) => rootOf(exteriors.length + h));
}
