import { ClustsegError } from "../segments/errors.js";

/** Where everything lies, in keys of the staging and the results store. */

const utf8 = new TextEncoder();

/** S3's limit for a key, in UTF-8 bytes; every store is held to it, so that a run can move between stores. */
export const maxKeyBytes = 1024;

/** The files a result may consist of, and nothing else is ever published, with their content types. */
export const resultFileTypes = {
  "segments.png": "image/png",
  "overlay.png": "image/png",
  "overlay.jpg": "image/jpeg",
  "mean.png": "image/png",
  "segments.csv": "text/csv; charset=utf-8",
  "segments.coco.json": "application/json",
  "polygons.coco.json": "application/json",
  "panoptic.png": "image/png",
  "panoptic.json": "application/json",
  "segments.geojson": "application/geo+json",
  "segments.yolo.txt": "text/plain; charset=utf-8",
  "classes.png": "image/png",
  "palette.png": "image/png",
  "steps.png": "image/png",
  "steps.json": "application/json",
  "metadata.json": "application/json",
} as const;
export type ResultFileName = keyof typeof resultFileTypes;

export function isResultFileName(name: string): name is ResultFileName {
  return Object.hasOwn(resultFileTypes, name);
}

/** File name extensions (lower case, with the dot) that are taken as images when a source is listed. */
export const imageExtensions: readonly string[] = [
  ".jpg",
  ".jpeg",
  ".jpe",
  ".jfif",
  ".png",
  ".webp",
  ".gif",
  ".tif",
  ".tiff",
  ".avif",
];

/** By the extension alone, in any case; what is in the file is the decoder's question. */
export function isImageKey(key: string, extensions: readonly string[] = imageExtensions): boolean {
  const dot = key.lastIndexOf(".");
  // A dot must end a name: "a/.jpg" is a hidden file that is called "jpg".
  if (dot <= key.lastIndexOf("/") + 1) return false;
  return extensions.includes(key.slice(dot).toLowerCase());
}

/** Is this a result of an earlier run that lies among the images ("out/a.jpg/segments.png")? */
export function isResultKey(key: string): boolean {
  const slash = key.lastIndexOf("/");
  return slash > 0 && isResultFileName(key.slice(slash + 1)) && isImageKey(key.slice(0, slash));
}

/** Key of one file of the result of image `key`. */
export function resultKey(key: string, name: ResultFileName): string {
  return `${key}/${name}`;
}

/** Where the result of an upload lies when that of a later upload of the same key lies at `key`: below this, like a key. */
export function versionPlace(key: string, upload: { readonly version_id?: string; readonly etag: string }): string {
  return `${key}/versions/${encodeURIComponent(upload.version_id ?? upload.etag)}`;
}

/** Is this where the result of an earlier upload lies, beside the latest's? */
export function isVersionPlace(key: string): boolean {
  const [, image, version] = /^(.+)\/versions\/([^/]+)$/s.exec(key) ?? [];
  return image !== undefined && version !== undefined && isImageKey(image) && !isImageKey(version);
}

const longestResultName = Math.max(...Object.keys(resultFileTypes).map((name) => name.length));

/** @throws ClustsegError OBJECT_KEY_INVALID when no store could hold the image's results. */
export function checkImageKey(key: string): void {
  const bytes = utf8.encode(key).length;
  const limit = maxKeyBytes - 1 - longestResultName;
  if (bytes > limit) {
    throw new ClustsegError("OBJECT_KEY_INVALID", `the name has ${bytes} bytes: "${key.slice(0, 80)}…"`, {
      hint: `Shorten it to ${limit} bytes: results lie under the image's name, and a key has at most ${maxKeyBytes}.`,
    });
  }
  if (key === "" || /\p{Surrogate}/u.test(key)) {
    throw new ClustsegError("OBJECT_KEY_INVALID", "the name is empty or not Unicode text", {
      hint: "Rename the image.",
    });
  }
}

/** Order of keys by their UTF-8 bytes, which is S3's, and not JavaScript's where a name leaves the basic plane. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) {
      // UTF-16 puts surrogates (planes 1 to 16) below U+E000..U+FFFF, UTF-8 above.
      return codeOrder(x) - codeOrder(y);
    }
  }
  return a.length - b.length;
}

function codeOrder(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

export const reportKey = "report.json";
export const reportPrefix = "reports/";

export function runReportKey(runId: string): string {
  return `${reportPrefix}${runId}.json`;
}

/** One ItemOutcome a line, in results. */
export function runItemsKey(runId: string): string {
  return `${reportPrefix}${runId}.items.jsonl`;
}

/** Name of the shard with this index, from 0. */
export function shardNameOf(index: number): string {
  return String(index).padStart(5, "0");
}

/** All runs in staging. */
export const runsPrefix = "runs/";

/** Keys of one run in staging; `packs`, `outcomes` and `root` are prefixes. staged-names.ts reads them back. */
export function stagingKeys(runId: string) {
  const root = `${runsPrefix}${runId}/`;
  return {
    root,
    lock: `${root}lock.json`,
    request: `${root}request.json`,
    manifest: `${root}manifest.jsonl`,
    /** Written last by plan and deleted first when the run has ended: its presence says that the run is under way. */
    plan: `${root}plan.json`,
    shards: `${root}shards/`,
    shard: (shard: string) => `${root}shards/${shard}.jsonl`,
    packs: `${root}packs/`,
    shardPacks: (shard: string) => `${root}packs/${shard}/`,
    pack: (shard: string, pack: number) => `${root}packs/${shard}/${packNameOf(pack)}.pack`,
    /** Whoever works on the run looks whether this is there: then it is to stop. */
    stop: `${root}stop.json`,
    /** The shards that the state machine hands out. */
    map: `${root}map.json`,
    counts: `${root}counts/`,
    /** What came of a shard, said by the key alone, so that one listing sums up all of them. */
    shardCounts: (shard: string, segmented: number, rejected: number) =>
      `${root}counts/${shard}.${segmented}.${rejected}`,
    /** What a worker had in hand when it died. Among the packs, as whoever decodes images may write nowhere else. */
    attempt: (shard: string) => `${root}packs/${shard}/attempt.json`,
    outcomes: `${root}outcomes/`,
    /** What plan dropped, in parts of bounded size. */
    skipped: (part: number) => `${root}outcomes/skipped-${shardNameOf(part)}.jsonl`,
    /** All outcomes of a shard; its presence says that the shard is done. */
    shardOutcomes: (shard: string) => `${root}outcomes/${shard}.jsonl`,
    shardOutcomeParts: (shard: string) => `${root}outcomes/${shard}/`,
    packOutcomes: (shard: string, pack: number) => `${root}outcomes/${shard}/${packNameOf(pack)}.jsonl`,
  };
}

function packNameOf(pack: number): string {
  return String(pack).padStart(4, "0");
}
