import type { CocoRle } from "../../layers/segments/rle.js";
import type { SegmentMap } from "../../layers/segments/segment-map.js";

/** COCO's RLE of one segment as one would say it: columns, runs, differences, groups of five bits. */
export function referenceRle({ width, height, ids }: SegmentMap, id: number): CocoRle {
  const down: boolean[] = [];
  for (let x = 0; x < width; x++) for (let y = 0; y < height; y++) down.push(ids[y * width + x] === id);
  const lengths = [0];
  for (const [i, inside] of down.entries()) {
    if (inside !== (i > 0 && down[i - 1])) lengths.push(0);
    lengths.push((lengths.pop() ?? 0) + 1);
  }
  return { size: [height, width], counts: lengths.map((_, i) => groupsOf(lengths, i)).join("") };
}

function groupsOf(lengths: readonly number[], i: number): string {
  let rest = (lengths[i] ?? 0) - (i > 2 ? (lengths[i - 2] ?? 0) : 0);
  let text = "";
  for (;;) {
    const bits = ((rest % 32) + 32) % 32;
    rest = Math.floor(rest / 32);
    // Nothing is left when what follows would only repeat this group's sign.
    if (rest === (bits >= 16 ? -1 : 0)) return text + String.fromCharCode(48 + bits);
    text += String.fromCharCode(48 + 32 + bits);
  }
}
