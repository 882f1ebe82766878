/**
 * What the page reads beside the results themselves, from the server or from files that were written once: `viewer.json`, and
 * one index a run, a JSON document a line. Types only, as the page checks what it reads where it reads it.
 */

/** viewer.json. Addresses in it are relative to the page. */
export interface ViewerConfig {
  readonly schema: "clustseg.viewer/1";
  /** One run, or two to be looked at side by side. */
  readonly runs: readonly ViewerRun[];
}

export interface ViewerRun {
  readonly name: string;
  /** Address of the index. */
  readonly index: string;
  /** Where `path` of the index's entries begins: "a/", "../". */
  readonly files: string;
}

/** A line of the index: a result. Later lines never contradict earlier ones, so the page shows each as it comes. */
export interface IndexEntry {
  /** The image's key: what people know it by. */
  readonly key: string;
  /** Where the result's files lie, below the run's `files`: an address, so its parts are percent-encoded. */
  readonly path: string;
  readonly width: number;
  readonly height: number;
  readonly task: string;
  readonly segments: number;
  /** Of the tasks that have classes; empty for superpixels. */
  readonly classes: readonly ClassCount[];
  /** Names of the files that are there. */
  readonly files: readonly string[];
  /** Address of the image itself, relative to the page, where it can be had. */
  readonly image?: string;
}

/** A class in one image: its name, its segments, and the best score among them (null where there are no scores). */
export type ClassCount = readonly [name: string, segments: number, score: number | null];

/** A line of the index: a class, before the first entry that names it. */
export interface IndexCategory {
  readonly category: {
    readonly name: string;
    readonly isthing: boolean;
    readonly color: readonly [red: number, green: number, blue: number];
  };
}

/** A line of the index: a result that cannot be shown (with a key), or why the index ends here (without). */
export interface IndexProblem {
  readonly problem: { readonly key?: string; readonly message: string };
}

export type IndexLine = IndexEntry | IndexCategory | IndexProblem;
