import path from "node:path";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { encodeIds } from "../../layers/model/encode.js";
import type { Category } from "../../layers/segments/categories.js";
import { FolderStore } from "../../layers/storage/folder-store.js";

/** Drawn landscapes with a panoptic result each, known to the pixel: what the viewer is tested on. */

export const categories: readonly Category[] = [
  { id: 1, name: "sky", isthing: false, color: [112, 168, 208] },
  { id: 2, name: "hill", isthing: false, color: [120, 158, 92] },
  { id: 3, name: "road", isthing: false, color: [150, 136, 152] },
  { id: 4, name: "tree", isthing: false, color: [80, 152, 112] },
  { id: 5, name: "balloon", isthing: true, color: [214, 110, 62] },
  { id: 6, name: "car", isthing: true, color: [96, 120, 224] },
];

interface SceneSegment {
  readonly category: number;
  readonly score: number;
  area: number;
  bbox: [number, number, number, number];
}

export interface Scene {
  readonly width: number;
  readonly height: number;
  readonly rgb: Buffer;
  readonly ids: Uint16Array;
  readonly segments: readonly SceneSegment[];
  readonly steps: Steps;
}

interface Steps {
  readonly width: number;
  readonly height: number;
  /** Frames one below the other; 65535 = none. */
  readonly labels: Uint16Array;
  readonly count: number;
  readonly seeds: readonly ([number, number] | null)[];
  readonly clusters: readonly ({ category_id: number; score: number } | null)[];
}

function random(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Disc {
  readonly x: number;
  readonly y: number;
  readonly rx: number;
  readonly ry: number;
  readonly category: number;
}

/** The same seed, the same scene. */
export function drawScene(seed: number, width = 480, height = 320): Scene {
  const next = random(seed);
  const between = (low: number, high: number) => low + (high - low) * next();
  const horizon = between(0.42, 0.58);
  const [wave, swell] = [between(2, 5), between(0.02, 0.06)];
  const vanishing = between(0.35, 0.65);
  const discs: Disc[] = [];
  const balloons = 2 + Math.floor(next() * 3);
  for (let i = 0; i < balloons; i++) {
    const r = between(0.05, 0.1);
    const x = ((i + between(0.25, 0.75)) / balloons) * 0.9 + 0.05;
    discs.push({ x, y: between(0.12, 0.28), rx: (r * height) / width, ry: r * 1.2, category: 5 });
  }
  for (let i = 0; i < 4; i++) {
    const x = i < 2 ? between(0.03, 0.22) : between(0.76, 0.97);
    discs.push({ x, y: horizon + between(0.02, 0.12), rx: between(0.04, 0.08), ry: between(0.08, 0.16), category: 4 });
  }
  for (let i = 0; i < 2; i++) {
    const y = between(0.68, 0.92);
    discs.push({
      x: vanishing + (i === 0 ? -1 : 1) * 0.2 * y * between(0.5, 1),
      y,
      rx: 0.06 * y,
      ry: 0.05 * y,
      category: 6,
    });
  }
  const classAt = (x: number, y: number): { category: number; disc: number } => {
    for (let i = discs.length - 1; i >= 0; i--) {
      const { x: cx, y: cy, rx, ry, category } = discs[i]!;
      if (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1) return { category, disc: i };
    }
    const hill = horizon + swell * Math.sin(x * wave * Math.PI + seed);
    if (y < hill) return { category: 1, disc: -1 };
    const half = 0.03 + ((y - hill) / (1 - hill)) * 0.3;
    return { category: Math.abs(x - vanishing) < half ? 3 : 2, disc: -1 };
  };

  const ids = new Uint16Array(width * height);
  const rgb = Buffer.alloc(width * height * 3);
  const segments: SceneSegment[] = [];
  const idOf = new Map<string, number>();
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const { category, disc } = classAt((x + 0.5) / width, (y + 0.5) / height);
      const isThing = categories[category - 1]!.isthing;
      const name = isThing ? `${category} ${disc}` : `${category}`;
      if (!idOf.has(name)) {
        const score = Math.round((isThing ? between(0.4, 0.99) : between(0.85, 0.99)) * 1000) / 1000;
        segments.push({ category, score, area: 0, bbox: [x, y, 0, 0] });
        idOf.set(name, segments.length);
      }
      const id = idOf.get(name)!;
      ids[i] = id;
      grow(segments[id - 1]!, x, y);
      const [r, g, b] = shade(category, disc, x / width, y / height, next());
      rgb.set([r, g, b], i * 3);
    }
  }
  return { width, height, rgb, ids, segments, steps: converge(next, ids, width, height, segments, idOf, discs) };
}

function grow(segment: SceneSegment, x: number, y: number): void {
  segment.area++;
  const [left, top, w] = segment.bbox;
  const right = Math.max(left + w - 1, x);
  const newLeft = Math.min(left, x);
  segment.bbox = [newLeft, top, right - newLeft + 1, y - top + 1];
}

const paints: Readonly<Record<number, readonly [number, number, number]>> = {
  1: [182, 205, 222],
  2: [128, 148, 92],
  3: [148, 142, 138],
  4: [62, 92, 58],
  5: [198, 92, 66],
  6: [70, 76, 92],
};

function shade(category: number, disc: number, x: number, y: number, grain: number): [number, number, number] {
  const [r, g, b] = paints[category]!;
  const light =
    1 + (0.35 - y) * 0.25 + (disc >= 0 ? 0.18 * Math.sin((x + disc * 0.37) * 60) : 0.06 * Math.sin(x * 25 + y * 40));
  const noise = (grain - 0.5) * 4;
  const tone = (value: number) => Math.max(0, Math.min(255, Math.round(value * light + noise)));
  return [tone(r), tone(g), tone(b)];
}

/** From seeds to masks in four steps: first the nearest centre wins, then more and more what is there. */
function converge(
  next: () => number,
  ids: Uint16Array,
  fullWidth: number,
  fullHeight: number,
  segments: readonly SceneSegment[],
  idOf: ReadonlyMap<string, number>,
  discs: readonly Disc[],
): Steps {
  const [width, height] = [fullWidth >> 2, fullHeight >> 2];
  const count = 4;
  const seeds: ([number, number] | null)[] = [];
  const clusters: ({ category_id: number; score: number } | null)[] = [];
  const clusterOf = new Map<number, number>();
  for (const [name, id] of idOf) {
    const { category, score } = segments[id - 1]!;
    const disc = Number(name.split(" ")[1] ?? -1);
    const { x = 0.5, y = 0.5, rx = 0, ry = 0 } = discs[disc] ?? {};
    const jitter = () => (next() - 0.5) * 1.2;
    seeds.push(disc < 0 ? null : [clamp(x + jitter() * rx), clamp(y + jitter() * ry)]);
    clusterOf.set(id, clusters.length);
    clusters.push({ category_id: category, score });
  }
  // Two that find nothing, and are absorbed.
  for (let i = 0; i < 2; i++) {
    seeds.push([0.15 + 0.7 * next(), 0.1 + 0.8 * next()]);
    clusters.push(null);
  }
  const labels = new Uint16Array(width * height * count);
  const blocks = Float64Array.from({ length: Math.ceil(width / 6) * Math.ceil(height / 6) }, next);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const right = clusterOf.get(ids[(y * 4 + 2) * fullWidth + x * 4 + 2]!)!;
      const doubt = blocks[Math.floor(y / 6) * Math.ceil(width / 6) + Math.floor(x / 6)]! * 0.7 + next() * 0.3;
      for (let step = 0; step < count; step++) {
        const sure = doubt < [0.45, 0.7, 0.9, 1.1][step]!;
        labels[step * width * height + i] = sure ? right : nearest(seeds, x / width, y / height);
      }
    }
  }
  return { width, height, labels, count, seeds, clusters };
}

function clamp(part: number): number {
  return Math.min(0.98, Math.max(0.02, part));
}

function nearest(seeds: readonly ([number, number] | null)[], x: number, y: number): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [i, seed] of seeds.entries()) {
    if (seed === null) continue;
    const distance = (seed[0] - x) ** 2 + (seed[1] - y) ** 2;
    if (distance < least) [least, best] = [distance, i];
  }
  return best;
}

export interface ResultOptions {
  readonly names?: Readonly<Record<number, string>>;
  readonly withSteps?: boolean;
  readonly model?: string;
}

/** The files of a result, as the pipeline writes them. */
export async function resultFilesOf(
  scene: Scene,
  source: { readonly uri: string; readonly key: string; readonly etag: string; readonly size: number },
  { names = {}, withSteps = true, model = "clustseg-test" }: ResultOptions = {},
): Promise<Map<string, Uint8Array>> {
  const { width, height, ids, segments, steps } = scene;
  const files = new Map<string, Uint8Array>();
  files.set("segments.png", await encodeIds({ width, height, segments: segments.length, ids }));
  if (withSteps) {
    const pixels = sharp(steps.labels, {
      raw: { width: steps.width, height: steps.height * steps.count, channels: 1 },
    });
    files.set("steps.png", await pixels.toColourspace("grey16").png().toBuffer());
    const { seeds, clusters } = steps;
    const about = {
      schema: "clustseg.steps/1",
      width: steps.width,
      height: steps.height,
      steps: steps.count,
      seeds,
      clusters,
    };
    files.set("steps.json", Buffer.from(JSON.stringify(about)));
  }
  const metadata = {
    schema: "clustseg.result/1",
    result_id: "0123456789abcdef0123456789abcdef",
    source,
    frame: {
      width,
      height,
      orientation: 1,
      format: "png",
      space: "srgb",
      depth: "uchar",
      pages: 1,
      alpha: false,
      notes: [],
    },
    model: { name: model, version: "1.0.0", sha256: "a".repeat(64) },
    task: "panoptic",
    parameters: { threshold: 0.3, mask_threshold: 0.5 },
    formats: withSteps ? ["steps"] : [],
    segments: segments.length,
    segments_info: segments.map(({ category, score, area, bbox }, i) => {
      return { id: i + 1, category_id: category, isthing: categories[category - 1]!.isthing, score, area, bbox };
    }),
    categories: categories.map((one) => ({ ...one, name: names[one.id] ?? one.name })),
    files: [...files].map(([name, body]) => ({ name, bytes: body.length })),
  };
  files.set("metadata.json", Buffer.from(`${JSON.stringify(metadata)}\n`));
  return files;
}

export interface SceneFolders {
  readonly images: string;
  readonly results: string;
}

/** Write a scene's image, as somebody would have put it there before it was segmented. */
export async function writeImage(folder: string, key: string, { width, height, rgb }: Scene): Promise<void> {
  const png = await sharp(rgb, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  await new FolderStore(folder).put(key, png);
}

/** Write the result of an image that is there, as `segment` would have. */
export async function writeResult(
  { images, results }: SceneFolders,
  key: string,
  scene: Scene,
  options: ResultOptions = {},
): Promise<void> {
  const { etag, size } = (await new FolderStore(images).head(key))!;
  const source = { uri: pathToFileURL(path.resolve(images)).href, key, etag, size };
  const store = new FolderStore(results);
  for (const [name, body] of await resultFilesOf(scene, source, options)) await store.put(`${key}/${name}`, body);
}

export async function writeScene(folders: SceneFolders, key: string, scene: Scene, options?: ResultOptions) {
  await writeImage(folders.images, key, scene);
  await writeResult(folders, key, scene, options);
}

/** The same scene by a model that sees no trees: they go to the hills. */
export function withoutTrees(scene: Scene): Scene {
  const tree = scene.segments.findIndex(({ category }) => category === 4) + 1;
  const hill = scene.segments.findIndex(({ category }) => category === 2) + 1;
  const segments = scene.segments.map((one) => ({ ...one }));
  segments[hill - 1]!.area += segments[tree - 1]!.area;
  segments.splice(tree - 1, 1);
  const ids = scene.ids.map((id) => (id === tree ? hill : id)).map((id) => (id > tree ? id - 1 : id));
  return { ...scene, ids, segments };
}
