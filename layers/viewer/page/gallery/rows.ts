/** A picture in the gallery, laid out; left and width in pixels. */
export interface Cell {
  readonly index: number;
  readonly left: number;
  readonly width: number;
}

/** Pictures side by side, as high as each other, as wide as the gallery. */
export interface Row {
  readonly top: number;
  /** Of the pictures; the caption comes below. */
  readonly height: number;
  readonly cells: readonly Cell[];
}

export interface RowsOptions {
  readonly width: number;
  /** Rows are about this high. */
  readonly height: number;
  readonly gap: number;
  /** Room below each picture for its caption. */
  readonly caption: number;
}

/** Panoramas and towers are cut to these shapes (width / height), or one would fill a row, or vanish in it. */
const narrowest = 0.6;
const widest = 2.4;

export function shapeOf(size: { readonly width: number; readonly height: number }): number {
  return Math.min(widest, Math.max(narrowest, size.width / size.height));
}

/** Fill rows in order; each is made so high that it is just full. The last one stays as it comes. O(pictures). */
export function layOut(shapes: readonly number[], { width, height, gap, caption }: RowsOptions): Row[] {
  const rows: Row[] = [];
  let top = 0;
  for (let from = 0; from < shapes.length; ) {
    let sum = 0;
    let to = from;
    // The row is full when its pictures, at the height wanted, are as wide as it.
    while (to < shapes.length && sum * height + gap * Math.max(0, to - from - 1) < width) sum += shapes[to++]!;
    const room = width - gap * (to - from - 1);
    const rowHeight = Math.min(height, room / sum);
    const cells: Cell[] = [];
    let left = 0;
    for (let index = from; index < to; index++) {
      const cellWidth = shapes[index]! * rowHeight;
      cells.push({ index, left, width: cellWidth });
      left += cellWidth + gap;
    }
    rows.push({ top, height: rowHeight, cells });
    top += rowHeight + caption + gap;
    from = to;
  }
  return rows;
}

/** Height of all rows together. */
export function heightOf(rows: readonly Row[], { caption }: RowsOptions): number {
  const last = rows.at(-1);
  return last === undefined ? 0 : last.top + last.height + caption;
}

/** Rows that a window from `top` to `bottom` touches, as [first, behind the last]. By halving: rows may be many. */
export function rowsWithin(rows: readonly Row[], top: number, bottom: number, caption: number): [number, number] {
  const first = lowest(rows.length, (i) => rows[i]!.top + rows[i]!.height + caption > top);
  const last = lowest(rows.length, (i) => rows[i]!.top >= bottom);
  return [first, last];
}

/** Row of the picture with this index. */
export function rowOf(rows: readonly Row[], index: number): number {
  return lowest(rows.length, (i) => rows[i]!.cells.at(-1)!.index >= index);
}

/** The picture above or below another one: the nearest in the next row. */
export function neighbour(rows: readonly Row[], index: number, direction: 1 | -1): number {
  const at = rowOf(rows, index);
  const cell = rows[at]?.cells.find((one) => one.index === index);
  const next = rows[at + direction];
  if (cell === undefined || next === undefined) return index;
  const middle = cell.left + cell.width / 2;
  const distance = ({ left, width }: Cell) => Math.abs(left + width / 2 - middle);
  return next.cells.reduce((best, one) => (distance(one) < distance(best) ? one : best)).index;
}

/** The least i from 0 to `count` for which `holds`, which stays true once it is. */
function lowest(count: number, holds: (i: number) => boolean): number {
  let from = 0;
  let to = count;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (holds(middle)) to = middle;
    else from = middle + 1;
  }
  return from;
}
