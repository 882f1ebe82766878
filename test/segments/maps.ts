import fc from "fast-check";
import { NO_LABEL, type SegmentMap, segmentMapFromLabels } from "../../layers/segments/segment-map.js";

export interface LabelImage {
  readonly width: number;
  readonly height: number;
  readonly labels: Uint16Array;
}

/** Small label images: specks and, by repeating each drawn pixel `scale` times both ways, patches; some pixels of none. */
export function labelImages(): fc.Arbitrary<LabelImage> {
  const label = fc.oneof(
    { arbitrary: fc.integer({ min: 0, max: 3 }), weight: 12 },
    { arbitrary: fc.constantFrom(500, 65_534), weight: 1 },
    { arbitrary: fc.constant(NO_LABEL), weight: 1 },
  );
  const side = fc.integer({ min: 1, max: 9 });
  return fc
    .tuple(side, side, fc.integer({ min: 1, max: 3 }))
    .chain(([columns, rows, scale]) =>
      fc
        .array(label, { minLength: columns * rows, maxLength: columns * rows })
        .map((drawn) => enlarged(drawn, columns, rows, scale)),
    );
}

/** Segment maps of such images. */
export function segmentMaps(): fc.Arbitrary<SegmentMap> {
  return fc
    .tuple(labelImages(), fc.integer({ min: 0, max: 12 }))
    .map(([{ labels, width, height }, minArea]) => segmentMapFromLabels(labels, width, height, { minArea }));
}

/** Segment maps together with RGB pixels of the same frame. */
export function segmentMapsWithPixels(): fc.Arbitrary<{ map: SegmentMap; rgb: Uint8Array }> {
  return segmentMaps().chain((map) => {
    const bytes = map.width * map.height * 3;
    return fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((rgb) => ({ map, rgb }));
  });
}

/** A map drawn as text: one line a row, one character a pixel, "." = none. */
export function drawn(...lines: string[]): LabelImage {
  const labels = lines.flatMap((line) => [...line].map((c) => (c === "." ? NO_LABEL : c.charCodeAt(0))));
  return { width: lines[0]?.length ?? 0, height: lines.length, labels: Uint16Array.from(labels) };
}

/** Ids as text in the same way: "." = 0, then 1, 2, ... */
export function asText(map: SegmentMap): string[] {
  const lines: string[] = [];
  for (let y = 0; y < map.height; y++) {
    const row = map.ids.subarray(y * map.width, (y + 1) * map.width);
    lines.push([...row].map((id) => (id === 0 ? "." : String(id))).join(""));
  }
  return lines;
}

function enlarged(labels: readonly number[], columns: number, rows: number, scale: number): LabelImage {
  const width = columns * scale;
  const height = rows * scale;
  const all = Uint16Array.from({ length: width * height }, (_, i) => {
    const x = Math.floor((i % width) / scale);
    const y = Math.floor(Math.floor(i / width) / scale);
    return labels[y * columns + x] ?? NO_LABEL;
  });
  return { width, height, labels: all };
}

/** Maps whose segments may be in several pieces, as those of other makers are; some pixels of none. */
export function scatteredMaps(): fc.Arbitrary<SegmentMap> {
  return labelImages().map(({ labels, width, height }) => {
    const idOf = new Map([[NO_LABEL, 0]]);
    for (const label of labels) if (!idOf.has(label)) idOf.set(label, idOf.size);
    const ids = labels.map((label) => idOf.get(label) ?? 0);
    return { width, height, segments: idOf.size - 1, ids };
  });
}
