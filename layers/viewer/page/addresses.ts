import type { IndexEntry, ViewerRun } from "../wire.js";

/** Absolute address of a file of a result, also for a worker, whose relative addresses start elsewhere. */
export function fileAddress(run: ViewerRun, entry: IndexEntry, name: string): string {
  return absolute(`${run.files}${entry.path}/${name}`);
}

/** Of the picture that is nearest to the image itself: the image, else an overlay, else the mean colours. */
export function pictureOf(run: ViewerRun, entry: IndexEntry): Picture | undefined {
  if (entry.image !== undefined) return { kind: "image", address: absolute(entry.image) };
  return storedPicture(run, entry);
}

/** The same, when the image cannot be had after all. */
export function storedPicture(run: ViewerRun, entry: IndexEntry): Picture | undefined {
  const name = ["overlay.jpg", "overlay.png", "mean.png"].find((one) => entry.files.includes(one));
  if (name === undefined) return undefined;
  return { kind: name === "mean.png" ? "mean" : "overlay", address: fileAddress(run, entry, name) };
}

export interface Picture {
  /** "overlay" has the outlines in it, "mean" has lost all but the segments' colours. */
  readonly kind: "image" | "overlay" | "mean";
  readonly address: string;
}

/** @throws Error for an address at another place: an index says where files are, and it may be anybody's. */
function absolute(address: string): string {
  const url = new URL(address, document.baseURI);
  if (url.origin !== location.origin) throw new Error("A file of the results lies at another place.");
  return url.href;
}
