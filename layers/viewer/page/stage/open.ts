import type { IndexEntry, ViewerRun } from "../../wire.js";
import { fileAddress, type Picture, pictureOf, storedPicture } from "../addresses.js";
import { type Result, readResult } from "../data/result.js";
import { readSteps, type Steps, segmentsOfClusters } from "../data/steps.js";
import { fetchOk, fetchPicture } from "../work/fetch.js";
import type { LoadedLabels } from "../work/jobs.js";
import type { Workers } from "../work/workers.js";

/** A result with all that is needed to draw it. */
export interface Opened {
  readonly run: ViewerRun;
  readonly entry: IndexEntry;
  readonly result: Result;
  readonly labels: LoadedLabels;
  readonly base: Base | undefined;
  readonly steps: OpenedSteps | undefined;
  /** What could not be loaded and can be done without. */
  readonly notes: readonly string[];
}

/** What the masks lie on. */
export interface Base {
  readonly kind: Picture["kind"];
  readonly bitmap: ImageBitmap;
  /** The same smaller, where it is large: for when the whole of it is looked at. */
  readonly small: ImageBitmap | undefined;
}

export interface OpenedSteps extends Steps {
  /** Cluster id -> id of the segment that it became, or 0. */
  readonly became: Uint16Array;
}

/** Longest side of the smaller copy. */
const smallSide = 1600;

/** @throws Error for people, when metadata.json or segments.png cannot be had or read */
export async function openResult(run: ViewerRun, entry: IndexEntry, workers: Workers): Promise<Opened> {
  const notes: string[] = [];
  const opening = openBase(run, entry, notes);
  const [result, labels] = await openMasks(run, entry, workers).catch((error: unknown) => {
    opening.then(closeBase);
    throw error;
  });
  const base = await opening;
  const steps = await openSteps(run, entry, labels, workers).catch((error: unknown) => {
    notes.push(error instanceof Error ? error.message : String(error));
    return undefined;
  });
  return { run, entry, result, labels, base, steps, notes };
}

async function openMasks(run: ViewerRun, entry: IndexEntry, workers: Workers): Promise<[Result, LoadedLabels]> {
  const [result, labels] = await Promise.all([
    fetchOk(fileAddress(run, entry, "metadata.json")).then(async (response) => readResult(await response.json())),
    workers.run("labels", { address: fileAddress(run, entry, "segments.png") }),
  ]);
  if (labels.width === result.width && labels.height === result.height) return [result, labels];
  throw new Error("segments.png has another size than metadata.json says.");
}

async function openBase(run: ViewerRun, entry: IndexEntry, notes: string[]): Promise<Base | undefined> {
  const best = pictureOf(run, entry);
  const stored = storedPicture(run, entry);
  for (const picture of best === undefined || best.kind !== "image" ? [stored] : [best, stored]) {
    if (picture === undefined) continue;
    try {
      const bitmap = await fetchPicture(picture.address);
      if (bitmap.width === entry.width && bitmap.height === entry.height) {
        return { kind: picture.kind, bitmap, small: await smaller(bitmap) };
      }
      bitmap.close();
      notes.push("The image has changed since: it has another size.");
    } catch {
      if (picture.kind === "image") notes.push("The image itself cannot be shown here.");
    }
  }
  return undefined;
}

async function smaller(bitmap: ImageBitmap): Promise<ImageBitmap | undefined> {
  const scale = smallSide / Math.max(bitmap.width, bitmap.height);
  if (scale > 0.6) return undefined;
  return createImageBitmap(bitmap, { resizeWidth: Math.round(bitmap.width * scale), resizeQuality: "high" });
}

async function openSteps(
  run: ViewerRun,
  entry: IndexEntry,
  labels: LoadedLabels,
  workers: Workers,
): Promise<OpenedSteps | undefined> {
  if (!entry.files.includes("steps.json") || !entry.files.includes("steps.png")) return undefined;
  const [document, image] = await Promise.all([
    fetchOk(fileAddress(run, entry, "steps.json")).then((response) => response.json() as Promise<unknown>),
    workers.run("grey", { address: fileAddress(run, entry, "steps.png") }),
  ]);
  const steps = readSteps(document, image);
  const last = steps.frames.at(-1);
  if (last === undefined) return undefined;
  return { ...steps, became: segmentsOfClusters(last, steps.clusters, labels) };
}

/** Give the memory of the pictures back at once: a garbage collector does not see how large they are. */
export function closeResult({ base }: Opened): void {
  closeBase(base);
}

function closeBase(base: Base | undefined): void {
  base?.bitmap.close();
  base?.small?.close();
}
