/** What is painted: an id for each pixel, row-major; 0 = none. A segment map, or the clusters at an E-step. */
export interface Labels {
  readonly width: number;
  readonly height: number;
  readonly ids: Uint16Array;
}

export function largestId({ ids }: Labels): number {
  let most = 0;
  for (let i = 0; i < ids.length; i++) if (ids[i]! > most) most = ids[i]!;
  return most;
}

/** Pixels of each id, 0..largest. */
export function areasOf({ ids }: Labels, largest: number): Uint32Array {
  const areas = new Uint32Array(largest + 1);
  for (let i = 0; i < ids.length; i++) areas[ids[i]!]!++;
  return areas;
}

/** Where each id is: left, top, and the first column and row behind it, four numbers an id; of an id that is nowhere all 0. */
export function boxesOf({ width, height, ids }: Labels, largest: number): Int32Array<ArrayBuffer> {
  const boxes = new Int32Array(4 * (largest + 1));
  for (let y = 0, i = 0; y < height; y++) {
    const end = i + width;
    while (i < end) {
      // Neighbours in a row mostly share their id, so that boxes are looked at once a run.
      const id = ids[i]!;
      const left = i - (end - width);
      do i++;
      while (i < end && ids[i] === id);
      const right = i - (end - width);
      const at = 4 * id;
      if (boxes[at + 3] === 0) {
        boxes[at] = left;
        boxes[at + 1] = y;
      }
      boxes[at] = Math.min(boxes[at]!, left);
      boxes[at + 2] = Math.max(boxes[at + 2]!, right);
      boxes[at + 3] = y + 1;
    }
  }
  return boxes;
}
