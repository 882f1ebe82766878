import type { GreyImage } from "../data/png.js";
import type { Anchors } from "../draw/anchors.js";

/** What workers do: whatever takes long and needs no page, so that the page never stalls. Addresses are absolute. */
export interface Jobs {
  /** Ids of a segments.png, and where to write on its segments. */
  labels: { ask: { readonly address: string }; answer: LoadedLabels };
  /** A steps.png as it is. */
  grey: { ask: { readonly address: string }; answer: GreyImage };
  /** A small picture of a result. */
  thumbnail: { ask: ThumbnailRequest; answer: ImageBitmap };
}
export type JobName = keyof Jobs;

export interface LoadedLabels {
  readonly width: number;
  readonly height: number;
  readonly ids: Uint16Array<ArrayBuffer>;
  readonly largest: number;
  readonly anchors: Anchors;
  /** See `boxesOf`. */
  readonly boxes: Int32Array<ArrayBuffer>;
}

export type ThumbnailMode = "image" | "both" | "masks";

export interface ThumbnailRequest {
  readonly mode: ThumbnailMode;
  /** Pixels of the screen. */
  readonly width: number;
  readonly height: number;
  /** Width / height of the whole picture; the thumbnail shows its middle. */
  readonly shape: number;
  /** Of segments.png and metadata.json. */
  readonly segments: string;
  readonly metadata: string;
  readonly hasClasses: boolean;
  /** What to draw it on, the best first. */
  readonly pictures: readonly { readonly kind: "image" | "overlay" | "mean"; readonly address: string }[];
}

export interface JobMessage<N extends JobName = JobName> {
  readonly id: number;
  readonly name: N;
  readonly ask: Jobs[N]["ask"];
}

export type JobReply =
  | { readonly id: number; readonly answer: Jobs[JobName]["answer"] }
  | { readonly id: number; readonly error: string };
