import type { ItemOutcome, RunReport } from "../../layers/pipeline/contracts.js";
import { hasObjects } from "../../layers/segments/categories.js";
import type { FolderProblem } from "../../layers/storage/folder-list.js";
import { type ExitCode, exitCodes } from "./exit.js";
import { count, duration, type Io, plural, printable } from "./io.js";
import { table } from "./table.js";

type Segmented = Extract<ItemOutcome, { status: "segmented" }>;

/** More than this says nothing that report.json does not say better. */
const mostTabled = 20;
const mostRejects = 10;
const mostNotes = 5;

/** Remembers the first images of a run, for the table at its end. */
export class FirstImages {
  readonly #images: Segmented[] = [];

  add(outcome: ItemOutcome): void {
    if (outcome.status === "segmented" && this.#images.length <= mostTabled) this.#images.push(outcome);
  }

  /**
   * undefined when there are none, or too many.
   * @param task says what a segment is to people
   */
  table(task: string): string | undefined {
    const images = this.#images;
    if (images.length === 0 || images.length > mostTabled) return undefined;
    const rows = [...images].sort((a, b) => (a.key < b.key ? -1 : 1)).map((image) => imageRow(image, task));
    return table(["image", "size", foundNouns(task)[1], "ms"], rows, [1, 2, 3]);
  }
}

/** Remembers what decoding had to say of images ("first of 3 frames"), for the end of a run. */
export class Notes {
  #images = 0;
  readonly #first: string[] = [];

  add(outcome: ItemOutcome): void {
    if (outcome.status !== "segmented" || outcome.notes === undefined) return;
    this.#images++;
    if (this.#first.length < mostNotes) this.#first.push(`${outcome.key}: ${outcome.notes.join("; ")}`);
  }

  /** Nothing when there are none. */
  tell(io: Io): void {
    if (this.#images === 0) return;
    io.note(`${plural(this.#images, "image")} ${this.#images === 1 ? "has" : "have"} notes (in metadata.json):`);
    for (const line of this.#first) io.note(`  ${printable(line)}`);
    if (this.#images > this.#first.length) io.note(`  … and ${count(this.#images - this.#first.length)} more`);
  }
}

function imageRow(image: Segmented, task: string): string[] {
  const { key, frame, ms } = image;
  const spent = ms.decode + ms.infer + ms.encode;
  return [printable(key), `${frame.width} x ${frame.height}`, count(found(image, task)), count(Math.round(spent))];
}

/** What was found in an image as people count it: the background is a segment, and no object. */
function found({ segments, objects = segments }: Segmented, task: string): number {
  return hasObjects(task) ? objects : segments;
}

/** "299 segments", "12 objects", "4 classes" */
export function foundText(image: Segmented, task: string): string {
  return plural(found(image, task), ...foundNouns(task));
}

function foundNouns(task: string): [one: string, many: string] {
  if (hasObjects(task)) return ["object", "objects"];
  return task === "semantic" ? ["class", "classes"] : ["segment", "segments"];
}

/** "12 images, superpixel by clustseg-superpixel 1.0.0: 11 segmented, 1 rejected, in 3.4 s (3.5 a second)" */
export function summaryLine(report: RunReport): string {
  const { task, model } = report;
  const what = `${plural(report.items.total, "image")}, ${printable(`${task} by ${model.name} ${model.version}`)}`;
  const { total, segmented, skipped, rejected, pending } = report.items;
  if (skipped === total) return `${what}: all have their masks already (--force makes them again)`;
  const parts = [
    `${count(segmented)} segmented`,
    ...(skipped > 0 ? [`${count(skipped)} skipped (already there)`] : []),
    ...(rejected > 0 ? [`${count(rejected)} rejected`] : []),
    ...(pending > 0 ? [`${count(pending)} not yet done`] : []),
  ];
  // Rejecting is quick: how quick says nothing of the speed of segmenting.
  const rate =
    segmented > 0 && report.images_per_second > 0 ? ` (${report.images_per_second.toFixed(1)} a second)` : "";
  return `${what}: ${parts.join(", ")}, in ${duration(report.seconds)}${rate}`;
}

/** The first rejected images, with the reasons. */
export function noteRejects(io: Io, report: RunReport): void {
  const { rejected } = report.items;
  for (const { key, code, message, hint } of report.rejected.slice(0, mostRejects)) {
    io.note(`rejected ${printable(key)}: ${printable(message.replace(/\.$/, ""))} [${code}]. ${printable(hint)}`);
  }
  if (rejected > mostRejects) io.note(`… and ${count(rejected - mostRejects)} more, in ${report.items_file}`);
}

/** Links and folders that a listing passed over. */
export function noteProblems(io: Io, problems: readonly FolderProblem[]): void {
  for (const { path, error } of problems) {
    io.note(`passed over ${printable(path)}: ${printable(error.message)} [${error.code}]`);
  }
}

/** A folder that may not be read can hold images, so they count as missed; a link that is passed over does not. */
export function exitCodeOfRun(report: RunReport, problems: readonly FolderProblem[]): ExitCode {
  const missed = problems.some(
    ({ error }) => error.code !== "OBJECT_LINK_LOOP" && error.code !== "OBJECT_OUTSIDE_ROOT",
  );
  return report.items.rejected > 0 || missed ? exitCodes.rejected : exitCodes.done;
}
