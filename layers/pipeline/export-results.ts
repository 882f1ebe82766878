import type { Classes } from "../segments/categories.js";
import { asClustsegError, ClustsegError, type ErrorCode, type ErrorRecord } from "../segments/errors.js";
import { cocoFormat, cocoPanopticFormat, cocoPolygonsFormat } from "./export-coco.js";
import { cutoutsFormat, geojsonFormat, stemOf, vocFormat, yoloFormat } from "./export-folders.js";
import type { ExportFormat, FormatContext, FormatOptions, ImageExport, PictureCodecs } from "./export-format.js";
import { csvFormat, cvatFormat, labelStudioFormat } from "./export-tables.js";
import { type FoundResult, findResults, type ResultKind } from "./find-results.js";
import { type LoadedResult, loadResult } from "./load-result.js";
import { OpenPrefixes } from "./open-prefixes.js";
import { orderedMap } from "./ordered-map.js";
import type { ObjectStore } from "./ports.js";
import { isWanted, surveyResults, type WantedResults } from "./survey-results.js";

/** What `clustseg export` can write. */
export const exportFormats = {
  coco: cocoFormat,
  "coco-polygons": cocoPolygonsFormat,
  "coco-panoptic": cocoPanopticFormat,
  yolo: yoloFormat,
  voc: vocFormat,
  geojson: geojsonFormat,
  csv: csvFormat,
  cvat: cvatFormat,
  "label-studio": labelStudioFormat,
  cutouts: cutoutsFormat,
} as const satisfies Record<string, ExportFormat>;

export type ExportFormatName = keyof typeof exportFormats;

export interface ExportOptions extends FormatOptions, WantedResults {
  readonly stores: {
    readonly results: ObjectStore;
    /** Where the data set goes. */
    readonly out: ObjectStore;
    /** For lines that wait for their turn; one object, deleted in the end. */
    readonly staging: ObjectStore;
    /** The images, under the results' keys. */
    readonly images?: ObjectStore;
  };
  readonly format: ExportFormatName;
  readonly codecs: PictureCodecs;
  /** Images in work at once. @default 4 */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ExportEvent) => void;
}

export interface ExportCounts {
  readonly total: number;
  readonly done: number;
  readonly failed: number;
}

export type ExportEvent =
  /** While results are looked for. */
  | { readonly type: "listing"; readonly items: number }
  /** Once, before the first image. */
  | { readonly type: "planned"; readonly counts: ExportCounts }
  /** An image was written, or failed. */
  | { readonly type: "item"; readonly counts: ExportCounts };

/** What an export came to. */
export interface ExportReport extends ResultKind {
  readonly format: ExportFormatName;
  readonly results: string;
  readonly out: string;
  readonly images: {
    /** Finished results of this kind. */
    readonly total: number;
    readonly exported: number;
    readonly failed: number;
    /** Begun only: they have no metadata.json. */
    readonly unfinished: number;
    /** Of other models or tasks than those asked for. */
    readonly other: number;
  };
  readonly segments: number;
  readonly failed_by_code: Readonly<Record<string, number>>;
  /** The first of them, at most `maxReportedFailures`. */
  readonly failed: readonly (ErrorRecord & { readonly key: string })[];
  /** Files of the data set as a whole. */
  readonly files: readonly string[];
  /** Folders of files of single images, with the number of files below each; none where they lie in the images' own. */
  readonly folders: Readonly<Record<string, number>>;
}

export const maxReportedFailures = 100;
const maxImageBytes = 512 * 1024 ** 2;

/**
 * Writes the results of a store as one data set, in key order and streamed: of all the images, a few are in memory at a time. A
 * result that is damaged is reported and left out. Files of the data set as a whole appear last, and not at all if it fails.
 *
 * @throws ClustsegError USAGE, RESULT_NOT_FOUND, RESULTS_MIXED, FORMAT_UNSUITABLE, RUN_CANCELLED, or a STORE_* code
 */
export async function exportResults(options: ExportOptions): Promise<ExportReport> {
  const { stores, onEvent = () => {}, signal } = options;
  const format: ExportFormat = exportFormats[options.format];
  if (format.needsImages && stores.images === undefined) {
    throw new ClustsegError("USAGE", `the format ${options.format} is made of the images themselves`, {
      hint: "Name the folder of the images that were segmented with --images.",
    });
  }
  const survey = await surveyResults(stores.results, options, (items) => {
    if (signal?.aborted) throw cancelled();
    onEvent({ type: "listing", items });
  });
  const { kind, total } = survey;
  const folders = new Map<string, number>();
  const context: FormatContext = { ...options, images: stores.images, kind };
  const tally = new Tally(total, onEvent);
  onEvent({ type: "planned", counts: tally.counts });

  let classes: Classes | undefined;
  const exportOne = async ({ key, number, taken }: NumberedResult): Promise<Exported> => {
    try {
      if (taken) throw nameTaken(key, options.format);
      const loaded = await loadResult(stores.results, key, options.codecs.decodeIds);
      const made = await format.image({ ...loaded, number, source: sourceOf(stores.images, loaded) }, context);
      for (const { key, body, contentType } of made.files ?? []) {
        await stores.out.put(key, body, { contentType });
        const folder = format.folders?.find((one) => key.startsWith(`${one}/`));
        if (folder !== undefined) folders.set(folder, (folders.get(folder) ?? 0) + 1);
      }
      return { key, made, classes: loaded.classes };
    } catch (error) {
      return { key, error: imageFault(error) };
    }
  };
  const wanted = (result: FoundResult) => isWanted(result, options);
  const found = numbered(findResults(stores.results), wanted, format.namedByStem ?? false);
  const lines = async function* () {
    for await (const exported of orderedMap(found, options.concurrency ?? 4, exportOne)) {
      if (signal?.aborted) throw cancelled();
      classes ??= exported.classes;
      tally.add(exported);
      for (const [list, line] of exported.made?.lines ?? []) yield list + line;
    }
  };

  const kept = `exports/${crypto.randomUUID()}.lines`;
  try {
    await stores.staging.putLines(kept, lines());
    const list = async function* (wanted: string) {
      for await (const line of stores.staging.lines(kept)) if (line.startsWith(wanted)) yield line.slice(wanted.length);
    };
    const { images } = tally;
    const own = { ...context, list, written: images.exported, classes: classes ?? { task: kind.task, categories: [] } };
    const files = images.exported === 0 ? [] : [...format.dataset(own)];
    for (const { key, lines } of files) {
      if (signal?.aborted) throw cancelled();
      await stores.out.putLines(key, lines);
    }
    return {
      format: options.format,
      results: stores.results.uri,
      out: stores.out.uri,
      ...kind,
      images: { ...images, unfinished: survey.unfinished, other: survey.other },
      segments: tally.segments,
      failed_by_code: Object.fromEntries([...tally.byCode].sort(([a], [b]) => (a < b ? -1 : 1))),
      failed: tally.failed,
      files: files.map(({ key }) => key),
      folders: Object.fromEntries([...folders].sort(([a], [b]) => (a < b ? -1 : 1))),
    };
  } finally {
    await stores.staging.delete(kept);
  }
}

interface NumberedResult {
  readonly key: string;
  readonly number: number;
  /** Another image has the name that this one would get. */
  readonly taken: boolean;
}

async function* numbered(
  found: AsyncIterable<FoundResult>,
  wanted: (result: FoundResult) => boolean,
  namedByStem: boolean,
): AsyncGenerator<NumberedResult> {
  const stems = new OpenPrefixes();
  let number = 0;
  for await (const result of found) {
    if (!wanted(result)) continue;
    const { key } = result;
    // In key order "a.jpg" is followed by "a.png" and then by "a", whose result lies in "a/".
    stems.passTo(`${key}.`);
    const taken = namedByStem && !stems.open(`${stemOf(key)}.`);
    yield { key, number: ++number, taken };
  }
}

interface Exported {
  readonly key: string;
  readonly made?: ImageExport;
  readonly classes?: Classes;
  readonly error?: ClustsegError;
}

class Tally {
  segments = 0;
  readonly images: { readonly total: number; exported: number; failed: number };
  readonly byCode = new Map<ErrorCode, number>();
  readonly failed: (ErrorRecord & { readonly key: string })[] = [];
  readonly #onEvent: (event: ExportEvent) => void;

  constructor(total: number, onEvent: (event: ExportEvent) => void) {
    this.images = { total, exported: 0, failed: 0 };
    this.#onEvent = onEvent;
  }

  get counts(): ExportCounts {
    const { total, exported, failed } = this.images;
    return { total, done: exported + failed, failed };
  }

  add({ key, made, error }: Exported): void {
    if (made !== undefined) {
      this.images.exported++;
      this.segments += made.segments;
    } else if (error !== undefined) {
      this.images.failed++;
      this.byCode.set(error.code, (this.byCode.get(error.code) ?? 0) + 1);
      if (this.failed.length < maxReportedFailures) this.failed.push({ key, ...error.toJSON() });
    }
    this.#onEvent({ type: "item", counts: this.counts });
  }
}

/** Faults of the system elsewhere, but here they are those of a file that lies in the results. */
const damage: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["METADATA_INVALID", "SEGMENT_MAP_INVALID", "ENCODE_FAILED"]);

/** What is wrong with one image. Throws all that would be wrong with others as well. */
function imageFault(thrown: unknown): ClustsegError {
  const error = asClustsegError(thrown);
  if (error.fault === "input" || damage.has(error.code)) return error;
  throw error;
}

function sourceOf(images: ObjectStore | undefined, { key, metadata }: LoadedResult): () => Promise<Uint8Array> {
  return async () => {
    if (images === undefined) throw new Error(`no images were given, but ${key} was asked for`);
    const { body } = await images.get(key, { maxBytes: maxImageBytes });
    if (body.length === metadata.source.size) return body;
    throw new ClustsegError(
      "OBJECT_CHANGED",
      `${key} has ${body.length} bytes, but the image that was segmented had ${metadata.source.size}`,
      { hint: "Give the images that were segmented with --images, or segment these." },
    );
  };
}

function nameTaken(key: string, format: ExportFormatName): ClustsegError {
  return new ClustsegError("FORMAT_LIMIT", `an image beside ${key} differs from it by the extension only`, {
    hint: `The format ${format} knows images by their names without it: rename one and segment it again.`,
  });
}

function cancelled(): ClustsegError {
  return new ClustsegError("RUN_CANCELLED", "the export was stopped on request", {
    hint: "The same command begins it anew; files of single images may be there already.",
  });
}
