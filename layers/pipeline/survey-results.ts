import { ClustsegError } from "../segments/errors.js";
import { type FoundResult, findResults, type ResultKind } from "./find-results.js";
import type { ObjectStore } from "./ports.js";

/** Which results are asked for. */
export interface WantedResults {
  /** What a person called the place of the results, for messages. @default its URI */
  readonly resultsName?: string;
  /** @default any */
  readonly task?: string;
  /** "name" or "name@version". @default any */
  readonly model?: string;
}

/** What there is of them. */
export interface Survey {
  readonly kind: ResultKind;
  readonly total: number;
  readonly unfinished: number;
  readonly other: number;
}

/**
 * Counts what there is, so that what cannot be one data set is told before anything is written.
 *
 * @param onListed called now and then with the number looked at
 * @throws ClustsegError RESULT_NOT_FOUND, RESULTS_MIXED, or a STORE_* code
 */
export async function surveyResults(
  results: ObjectStore,
  wanted: WantedResults,
  onListed: (items: number) => void,
): Promise<Survey> {
  const place = wanted.resultsName ?? results.uri;
  const kinds = new Map<string, { readonly kind: ResultKind; images: number }>();
  let [total, unfinished, other, listed] = [0, 0, 0, 0];
  for await (const found of findResults(results, () => unfinished++)) {
    if (++listed % 100 === 0) onListed(listed);
    if (!isWanted(found, wanted)) {
      other++;
      continue;
    }
    total++;
    if (found.kind === undefined) continue;
    const name = nameOf(found.kind);
    const so = kinds.get(name);
    if (so === undefined) kinds.set(name, { kind: found.kind, images: 1 });
    else so.images++;
  }
  const [first, ...others] = [...kinds.values()];
  if (first === undefined) {
    const skipped = [
      ...(unfinished > 0 ? [`${unfinished} unfinished`] : []),
      ...(other > 0 ? [`${other} of other models or tasks`] : []),
      ...(total > 0 ? [`${total} that cannot be read`] : []),
    ];
    const but = skipped.length === 0 ? "" : ` (${skipped.join(", ")})`;
    throw new ClustsegError("RESULT_NOT_FOUND", `there are no results to export in ${place}${but}`, {
      hint: "Give the folder that `clustseg segment --out` wrote to.",
    });
  }
  if (others.length > 0) {
    const there = [...kinds].map(([name, { images }]) => `${name} (${images} images)`).slice(0, 8);
    throw new ClustsegError("RESULTS_MIXED", `results of several kinds lie in ${place}: ${there.join("; ")}`, {
      hint: "A data set has one kind: choose it with --task, and with --model as name or name@version.",
    });
  }
  return { kind: first.kind, total, unfinished, other };
}

export function isWanted({ kind }: FoundResult, { task, model }: WantedResults): boolean {
  // What tells nothing of itself is not passed over in silence: it will fail by name.
  if (kind === undefined) return true;
  const { name, version } = kind.model;
  if (task !== undefined && task !== kind.task) return false;
  return model === undefined || model === name || model === `${name}@${version}`;
}

function nameOf({ task, model: { name, version, sha256 } }: ResultKind): string {
  return `${task} by ${name}@${version}, sha256 ${sha256.slice(0, 8)}`;
}
