import { findRuns, labelComponents } from "./components.js";
import type { ObjectLabels, SceneObject } from "./objects.js";
import { mergeOrphans } from "./orphans.js";
import { NO_LABEL } from "./segment-map.js";
import { findRoot } from "./union-find.js";
import type { Size } from "./upscale.js";

export interface CleanOptions {
  /** Pieces with fewer pixels are given to a neighbour; 0 or 1 keeps every piece. */
  readonly minArea: number;
  /** A countable object whose pieces that stay are less than this part of the pixels it won is dropped; 0 drops none. */
  readonly overlapThreshold: number;
}

/** Pieces of a countable object smaller than one of so many parts of its largest piece are not of it. */
const smallestPart = 10;

/**
 * Leaves of each object what is of it. Its pixels lie in 4-connected pieces; those are taken away that have fewer than `minArea`
 * pixels, those of a countable object that are less than 1/10 of its largest piece, and all of those of an object that is
 * dropped. A piece taken away joins the neighbour with which it shares the longest border, "none" included (`mergeOrphans`),
 * so that small holes are closed. Afterwards no object has a piece below `minArea`, unless it fills the picture.
 *
 * @param scene its labels are overwritten
 */
export function cleanObjects(scene: ObjectLabels, size: Size, options: CleanOptions): ObjectLabels {
  const dropped = Uint8Array.from(scene.objects, (object) => (object.dropped ? 1 : 0));
  let judge: Judge = (pieces) => judgePieces(pieces, scene.objects, dropped, options);
  // Orphans that joined an orphan which nobody took in may be too small together, too: then once more, by size alone.
  while (cleanOnce(scene.labels, size, dropped, judge)) {
    judge = ({ areas }) => areas.map((area, piece) => (piece > 0 && area < options.minArea ? 1 : 0));
  }
  return scene;
}

/** Connected pieces, and the object of each; index 0 is none. */
interface Pieces {
  readonly count: number;
  readonly areas: Int32Array;
  readonly objectOf: Uint16Array;
}

/** By piece: 1 = is taken away. */
type Judge = (pieces: Pieces) => ArrayLike<number>;

/** @returns must it be done again? */
function cleanOnce(labels: Uint16Array, { width, height }: Size, dropped: Uint8Array, judge: Judge): boolean {
  const runs = findRuns(labels, width, height);
  const components = labelComponents(labels, runs, width, height, NO_LABEL);
  const { of, count, areas } = components;
  const objectOf = new Uint16Array(count + 1);
  for (let run = 0; run < runs.count; run++) objectOf[of[run]!] = labels[runs.starts[run]!]!;
  objectOf[0] = NO_LABEL;
  const isOrphan = Uint8Array.from(judge({ count, areas, objectOf }));
  const { groups, heads } = mergeOrphans(components, runs, width, height, isOrphan, { intoNone: true });

  let groupCount = areas[0]! > 0 ? 1 : 0;
  let left = 0;
  const labelOf = new Uint16Array(count + 1);
  labelOf[0] = NO_LABEL;
  for (let piece = 1; piece <= count; piece++) {
    const root = findRoot(groups, piece);
    const head = heads[root]!;
    const label = objectOf[head]!;
    labelOf[piece] = label !== NO_LABEL && dropped[label] === 1 ? NO_LABEL : label;
    if (root !== piece) continue;
    groupCount++;
    left += isOrphan[head]!;
  }
  for (let run = 0, i = 0; run < runs.count; run++) {
    const label = labelOf[of[run]!]!;
    for (const end = runs.starts[run + 1]!; i < end; i++) labels[i] = label;
  }
  return left > 0 && groupCount > 1;
}

/** Notes in `dropped` the objects that keep too little. */
function judgePieces(
  { count, areas, objectOf }: Pieces,
  objects: readonly SceneObject[],
  dropped: Uint8Array,
  { minArea, overlapThreshold }: CleanOptions,
): Uint8Array {
  const won = new Float64Array(objects.length);
  const largest = new Float64Array(objects.length);
  for (let piece = 1; piece <= count; piece++) {
    const object = objectOf[piece]!;
    const area = areas[piece]!;
    won[object] = won[object]! + area;
    if (area > largest[object]!) largest[object] = area;
  }
  const isOrphan = new Uint8Array(count + 1);
  const kept = new Float64Array(objects.length);
  for (let piece = 1; piece <= count; piece++) {
    const object = objectOf[piece]!;
    const area = areas[piece]!;
    const speck = objects[object]!.countable && area * smallestPart < largest[object]!;
    if (area < minArea || speck) isOrphan[piece] = 1;
    else kept[object] = kept[object]! + area;
  }
  for (const [object, { countable }] of objects.entries()) {
    if (countable && kept[object]! < overlapThreshold * won[object]!) dropped[object] = 1;
  }
  for (let piece = 1; piece <= count; piece++) if (dropped[objectOf[piece]!] === 1) isOrphan[piece] = 1;
  return isOrphan;
}
