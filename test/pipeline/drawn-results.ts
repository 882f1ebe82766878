import sharp from "sharp";
import { decodeImage } from "../../layers/model/decode.js";
import { decodeIds, encodeIds, encodeRgbaPng, encodeRgbPng, encodeVoc } from "../../layers/model/encode.js";
import type { RunRequest } from "../../layers/pipeline/contracts.js";
import type { PictureCodecs } from "../../layers/pipeline/export-format.js";
import { encodeMetadata } from "../../layers/pipeline/metadata.js";
import type { Category } from "../../layers/segments/categories.js";
import type { SegmentMap } from "../../layers/segments/segment-map.js";
import { segmentTable } from "../../layers/segments/table.js";
import { MemoryStore } from "./memory-store.js";

/** Results drawn as text: what a segment is, a character says; "." is none. */
export interface DrawnSet {
  readonly task: string;
  readonly model: string;
  readonly categories: readonly Category[];
  /** Class and score of a character's segment; none for superpixels. */
  readonly legend: Readonly<Record<string, readonly [category: number, score: number]>>;
  /** Key -> lines, a character for each square of `scale` x `scale` pixels. */
  readonly images: Readonly<Record<string, readonly string[]>>;
}

const scale = 3;
const thing = (id: number, name: string, color: Category["color"]): Category => ({ id, name, isthing: true, color });
const stuff = (id: number, name: string, color: Category["color"]): Category => ({ id, name, isthing: false, color });

/** One of each task: holes, pieces, pieces in holes, none, an image without segments, and names that want escaping. */
export const drawnSets = {
  panoptic: {
    task: "panoptic",
    model: "drawn-photo",
    categories: [
      stuff(0, "background", [0, 0, 0]),
      thing(2, "bicycle", [0, 128, 0]),
      thing(15, "person", [192, 128, 128]),
      stuff(16, 'grass & "moss" <1>', [107, 142, 35]),
    ],
    legend: { p: [15, 0.9375], q: [15, 0.5], B: [2, 0.75], g: [16, 0.6875], b: [0, 0.875] },
    images: {
      "a/b.jpg": [
        "bbbbbbbbbbbbbb",
        "bppppp.bbqqqbb",
        "bp...p.bbqqqbb",
        "bp.B.p.bbbbbbb",
        "bp...p.BBBqqBB",
        "bppppp.BBBBBBB",
        "gggggggggggggg",
        "gg.g.ggggpgggg",
        "g.g.ggggpggggg",
        "gggggggggggggg",
      ],
      "a/c d.png": ["......", "......"],
      "ü & 'x'.jpg": ["ggg", "gqg", "ggg", ".p."],
    },
  },
  semantic: {
    task: "semantic",
    model: "drawn-street",
    categories: [stuff(0, "sky", [70, 130, 180]), stuff(1, "road", [128, 64, 128]), stuff(2, "car", [0, 0, 142])],
    legend: { s: [0, 1], r: [1, 0.625], c: [2, 0.25] },
    images: { "1.png": ["ssssssss", "ssccssss", "rcccc.cc", "rrrrrrcc", "rcrrcrrr"], "2.png": ["cs", "sc"] },
  },
  instance: {
    task: "instance",
    model: "drawn-nuclei",
    categories: [stuff(0, "background", [0, 0, 0]), thing(1, "nucleus", [160, 32, 240])],
    legend: { a: [1, 0.5], b: [1, 0.9921875], c: [1, 0.125] },
    images: { "n.png": [".aa.....", "aaa..bb.", ".a..bb.b", ".....bb.", "cc......"] },
  },
  superpixel: {
    task: "superpixel",
    model: "drawn-superpixel",
    categories: [],
    legend: {},
    images: { "s.png": ["aabbb", "aabcc", "ddbcc", "ddd.c"] },
  },
} as const satisfies Record<string, DrawnSet>;

/** The model's own, as the command line passes them in. */
export const codecs: PictureCodecs = {
  decodeIds,
  decodeImage,
  encodeRgb: (rgb, width, height) => encodeRgbPng(rgb, width, height, 6),
  encodeRgba: encodeRgbaPng,
  encodeVoc,
};

/** A map of what is drawn: segments are numbered in the order in which one reads. */
export function drawnMap(lines: readonly string[]): {
  readonly map: SegmentMap;
  readonly characters: readonly string[];
} {
  const characters = [...new Set(lines.join(""))].filter((character) => character !== ".");
  const [width, height] = [scale * lines[0]!.length, scale * lines.length];
  const ids = Uint16Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [Math.floor((i % width) / scale), Math.floor(Math.floor(i / width) / scale)];
    return characters.indexOf(lines[y]![x]!) + 1;
  });
  return { map: { width, height, segments: characters.length, ids }, characters };
}

/** The picture that lies under every map: byte n of its RGB is 37 n modulo 256. As PNG, whatever it is called. */
export async function drawnPicture({ width, height }: SegmentMap): Promise<{ rgb: Uint8Array; file: Uint8Array }> {
  const rgb = Uint8Array.from({ length: 3 * width * height }, (_, n) => (37 * n) % 256);
  const file = await sharp(rgb, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  return { rgb, file: new Uint8Array(file) };
}

export async function putDrawn(
  stores: { readonly results: MemoryStore; readonly images: MemoryStore },
  set: DrawnSet,
  key: string,
  lines: readonly string[],
): Promise<void> {
  const { map, characters } = drawnMap(lines);
  const { rgb, file } = await drawnPicture(map);
  const rows = segmentTable(map, rgb).map((row, i) => {
    const said = set.legend[characters[i]!];
    if (said === undefined) return row;
    const [categoryId, score] = said;
    return { ...row, categoryId, isThing: set.categories.find(({ id }) => id === categoryId)!.isthing, score };
  });
  const request: RunRequest = {
    schema: "clustseg.run/1",
    run_id: "r-drawn",
    source: "memory:///images/",
    model: { name: set.model, version: "1.2.3", sha256: "ab".repeat(32) },
    task: set.task,
    parameters: {},
    formats: [],
    shard_items: 1,
    shard_bytes: 1,
    force: false,
    created_at: "2026-01-01T00:00:00Z",
    manifest: { items: 1, bytes: 1, digest: "cd".repeat(32) },
  };
  const { width, height } = map;
  const ids = await encodeIds(map);
  const about = { orientation: 1, format: "png", space: "srgb", depth: "uchar", pages: 1, alpha: false, notes: [] };
  const metadata = encodeMetadata(request, { bucket: "", key, etag: "v0", size: file.length }, "0".repeat(32), {
    frame: { width, height, ...about },
    segments: rows,
    categories: set.categories,
    files: new Map([["segments.png", ids]]),
    ms: { decode: 0, infer: 0, encode: 0 },
  });
  await stores.images.put(key, file);
  await stores.results.put(`${key}/segments.png`, ids);
  await stores.results.put(`${key}/metadata.json`, metadata);
}

/** The stores of an export, with all images of the given sets. */
export async function drawnStores(...sets: readonly DrawnSet[]) {
  const stores = {
    results: new MemoryStore("memory:///results/"),
    images: new MemoryStore("memory:///images/"),
    out: new MemoryStore("memory:///out/"),
    staging: new MemoryStore("memory:///staging/"),
  };
  for (const set of sets) {
    for (const [key, lines] of Object.entries(set.images)) await putDrawn(stores, set, key, lines);
  }
  return stores;
}
