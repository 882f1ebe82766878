import type { SegmentMap } from "../segments/segment-map.js";
import type { ClusterSteps } from "../segments/steps.js";
import type { SegmentClass } from "../segments/table.js";
import type { Task } from "./bundle.js";

/** What a model makes of one image. */
export interface Segmentation {
  readonly task: Task;
  readonly map: SegmentMap;
  /** Class and score of each segment, in order of id; superpixels have none. */
  readonly classes?: readonly SegmentClass[];
  /** The clusters at each E-step; only when asked for. */
  readonly steps?: ClusterSteps;
  /** What the reader of the result should know, such as that fewer superpixels were made than asked for. */
  readonly notes: readonly string[];
  /** Milliseconds that the graph itself ran, without the time in line for it. */
  readonly graphMs: number;
}
