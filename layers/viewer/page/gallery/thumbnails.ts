import { fileAddress, pictureOf, storedPicture } from "../addresses.js";
import type { Item, Library } from "../data/library.js";
import { el } from "../dom.js";
import type { ThumbnailMode } from "../work/jobs.js";
import type { Workers } from "../work/workers.js";

/** Canvases kept when their cards are gone, for when one scrolls back. */
const kept = 300;
/** Sizes are rounded up to this, so that a window that is made a little larger needs no new pictures. */
const sizeStep = 48;

/** Small pictures by image, mode and size, drawn when they are wanted. */
export class Thumbnails {
  readonly #workers: Workers;
  readonly #library: Library;
  readonly #done = new Map<string, HTMLCanvasElement>();

  constructor(library: Library, workers: Workers) {
    this.#library = library;
    this.#workers = workers;
  }

  /** A canvas that is filled as soon as it can be. @param signal aborted when nobody waits for it any more */
  canvasOf(item: Item, mode: ThumbnailMode, width: number, height: number, signal: AbortSignal): HTMLCanvasElement {
    const density = Math.min(2, globalThis.devicePixelRatio || 1);
    const w = Math.ceil((width * density) / sizeStep) * sizeStep;
    const size = { width: w, height: Math.round((w * height) / width) };
    const name = `${mode} ${w} ${item.key}`;
    const done = this.#done.get(name);
    if (done !== undefined) {
      // Last used, last to go.
      this.#done.delete(name);
      this.#done.set(name, done);
      return done;
    }
    const canvas = el("canvas", { ...size, "aria-hidden": "true" });
    this.#draw(item, mode, size, signal).then(
      (bitmap) => {
        canvas.getContext("bitmaprenderer")!.transferFromImageBitmap(bitmap);
        canvas.dataset["state"] = "drawn";
        this.#keep(name, canvas);
      },
      () => {
        if (!signal.aborted) canvas.dataset["state"] = "failed";
      },
    );
    return canvas;
  }

  #draw(
    item: Item,
    mode: ThumbnailMode,
    size: { width: number; height: number },
    signal: AbortSignal,
  ): Promise<ImageBitmap> {
    const side = item.entries.findIndex((entry) => entry !== undefined);
    const entry = item.entries[side]!;
    const run = this.#library.runs[side]!;
    const pictures = [pictureOf(run, entry), storedPicture(run, entry)].filter((one) => one !== undefined);
    const ask = {
      mode,
      ...size,
      shape: entry.width / entry.height,
      segments: fileAddress(run, entry, "segments.png"),
      metadata: fileAddress(run, entry, "metadata.json"),
      hasClasses: entry.classes.length > 0,
      pictures,
    };
    return this.#workers.run("thumbnail", ask, signal);
  }

  #keep(name: string, canvas: HTMLCanvasElement): void {
    this.#done.set(name, canvas);
    for (const oldest of this.#done.keys()) {
      if (this.#done.size <= kept) break;
      this.#done.delete(oldest);
    }
  }
}
