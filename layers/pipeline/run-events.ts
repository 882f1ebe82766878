import type { ItemOutcome, RunReport } from "./contracts.js";

/** Counts of a run at one moment; `done` is the sum of the last three, out of `total`. */
export interface RunCounts {
  readonly total: number;
  readonly done: number;
  readonly segmented: number;
  readonly skipped: number;
  readonly rejected: number;
}

/** What a run tells while it works, in this order; "item", "published" and "shard" mix. */
export type RunEvent =
  /** While the source is listed: images found so far. */
  | { readonly type: "listing"; readonly items: number }
  /** While results are looked at: images looked at so far. */
  | { readonly type: "planning"; readonly items: number; readonly total: number }
  /** Once, before the first image; `resumed` when an earlier call left the run unfinished: `counts` has what that one did. */
  | {
      readonly type: "planned";
      readonly runId: string;
      readonly shards: number;
      readonly resumed: boolean;
      readonly counts: RunCounts;
    }
  /** An image ended: segmented or rejected. */
  | { readonly type: "item"; readonly outcome: ItemOutcome; readonly counts: RunCounts }
  /** The results of some images are in place. */
  | { readonly type: "published"; readonly shard: string; readonly items: number }
  /** A shard is done. */
  | { readonly type: "shard"; readonly shard: string; readonly index: number; readonly shards: number }
  /** Last of all. */
  | { readonly type: "finished"; readonly report: RunReport };
