import { el, setText } from "../dom.js";
import { drawDots } from "../draw/dots.js";
import { markLook, paint } from "../draw/paint.js";
import { type Placement, placementOf, type Size, type View } from "../draw/view.js";
import { drawWords } from "../draw/words.js";
import type { Opened } from "./open.js";
import type { Scene } from "./scene.js";

/** More pixels than two a point are not seen, and cost. */
const maxDensity = 2;
/** Magnified so far, pixels are shown as the squares that they are. */
const squaresFrom = 2;
/** Painting that takes longer would stutter when the picture is moved. */
const slowMs = 20;
const markTint = 0x40ffffff;
const markEdge = 0xffffffff;

/** One picture: three canvases, one on the other. What moves often (marks) does not make the rest be drawn again. */
export class Pane {
  readonly element: HTMLElement;
  readonly #title = el("p", { class: "pane-title" });
  readonly #message = el("p", { class: "message", role: "status" });
  readonly #base = el("canvas", { class: "base" });
  readonly #fill = el("canvas", { class: "fill" });
  /** What was painted at the E-step before, while it fades. */
  readonly #ghost = el("canvas", { class: "ghost" });
  readonly #marks = el("canvas", { class: "marks" });
  readonly #box = el("div", { class: "canvases" });
  #layer: ImageData | undefined;
  #density = 1;
  /** What painting took when it was done in full. */
  #paintMs = 0;
  opened: Opened | undefined;
  scene: Scene | undefined;

  constructor() {
    for (const canvas of this.#canvases) canvas.setAttribute("aria-hidden", "true");
    this.#box.append(...this.#canvases);
    this.element = el("div", { class: "pane" }, this.#title, this.#box, this.#message);
  }

  get #canvases(): readonly HTMLCanvasElement[] {
    return [this.#base, this.#fill, this.#ghost, this.#marks];
  }

  /** Line width in canvas pixels. */
  get line(): number {
    return Math.max(1, Math.round(this.#density));
  }

  /** Of the canvases, in the page's points. */
  get size(): Size {
    return { width: this.#box.clientWidth, height: this.#box.clientHeight };
  }

  get frame(): Size | undefined {
    return this.opened?.result;
  }

  setTitle(text: string): void {
    setText(this.#title, text);
    this.#title.hidden = text === "";
  }

  /** Instead of a picture; "" for none. */
  setMessage(text: string): void {
    setText(this.#message, text);
    this.#message.hidden = text === "";
  }

  /** Where a point of the window lies on the pane, in the page's points. */
  at(clientX: number, clientY: number): { x: number; y: number } {
    const { left, top } = this.#box.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  }

  /** The id under a point of the pane; 0 for none. */
  idAt({ x, y }: { x: number; y: number }, view: View): number {
    if (this.scene === undefined || this.frame === undefined) return 0;
    const { left, top, width, height } = placementOf(view, this.size, this.frame);
    const { labels, look } = this.scene;
    const column = Math.floor(((x - left) / width) * labels.width);
    const row = Math.floor(((y - top) / height) * labels.height);
    if (column < 0 || row < 0 || column >= labels.width || row >= labels.height) return 0;
    return look.shown[labels.ids[row * labels.width + column]!] ?? 0;
  }

  /** @param coarse while the picture moves: where painting takes long, a quarter of the pixels will do */
  draw(view: View, image: boolean, coarse: boolean): void {
    this.#fit();
    const context = this.#base.getContext("2d")!;
    context.clearRect(0, 0, this.#base.width, this.#base.height);
    const place = this.#place(view);
    if (place === undefined || this.scene === undefined) {
      this.#fill.getContext("2d")!.clearRect(0, 0, this.#fill.width, this.#fill.height);
      return;
    }
    if (image) this.#drawBase(context, place, coarse);
    const began = performance.now();
    this.#paint(this.scene, place, coarse && this.#paintMs > slowMs ? 2 : 1);
    if (!coarse) this.#paintMs = performance.now() - began;
  }

  /** @param step screen's pixels a painted one, along each side */
  #paint({ labels, look }: Scene, place: Placement, step: number): void {
    const width = Math.ceil(this.#fill.width / step);
    const height = Math.ceil(this.#fill.height / step);
    if (this.#layer?.width !== width || this.#layer.height !== height) this.#layer = new ImageData(width, height);
    const { left, top } = place;
    const reduced = {
      left: left / step,
      top: top / step,
      width: place.width / step,
      height: place.height / step,
    };
    const line = Math.ceil(look.line / step);
    paint(new Uint32Array(this.#layer.data.buffer), this.#layer, labels, reduced, { ...look, line });
    const context = this.#fill.getContext("2d")!;
    context.putImageData(this.#layer, 0, 0);
    if (step === 1) return;
    // Onto itself: a browser takes what is drawn from before it draws.
    context.imageSmoothingEnabled = false;
    context.globalCompositeOperation = "copy";
    context.drawImage(this.#fill, 0, 0, width, height, 0, 0, width * step, height * step);
    context.globalCompositeOperation = "source-over";
  }

  /** Keep what is painted now, and begin to let it go. */
  keepGhost(): void {
    const context = this.#ghost.getContext("2d")!;
    context.clearRect(0, 0, this.#ghost.width, this.#ghost.height);
    context.drawImage(this.#fill, 0, 0);
  }

  /** @param opacity 0..1 */
  showGhost(opacity: number): void {
    this.#ghost.style.opacity = String(opacity);
  }

  /** @param marked id of the segment that is pointed at or chosen; 0 for none @param dots instead of the scene's */
  drawMarks(view: View, marked: number, dots = this.scene?.dots ?? []): void {
    const context = this.#marks.getContext("2d")!;
    context.clearRect(0, 0, this.#marks.width, this.#marks.height);
    const place = this.#place(view);
    if (place === undefined || this.scene === undefined || this.opened === undefined) return;
    const { labels, words } = this.scene;
    if (marked > 0) this.#drawMark(context, place, marked);
    if (words !== undefined) {
      drawWords(context, this.#marks, place, labels, this.opened.labels.anchors, words, this.#density);
    }
    drawDots(context, this.#marks, place, dots, this.#density);
  }

  /** No more is painted than where the segment is: this is done while the pointer moves. */
  #drawMark(context: CanvasRenderingContext2D, place: Placement, marked: number): void {
    const { labels, largest, boxes } = this.scene!;
    const [left, top, right, bottom] = boxes.subarray(4 * marked, 4 * marked + 4);
    const across = place.width / labels.width;
    const down = place.height / labels.height;
    const clip = (at: number, room: number) => Math.min(room, Math.max(0, Math.round(at)));
    const x0 = clip(place.left + left! * across - 2 * this.line, this.#marks.width);
    const x1 = clip(place.left + right! * across + 2 * this.line, this.#marks.width);
    const y0 = clip(place.top + top! * down - 2 * this.line, this.#marks.height);
    const y1 = clip(place.top + bottom! * down + 2 * this.line, this.#marks.height);
    if (x0 >= x1 || y0 >= y1) return;
    const layer = new ImageData(x1 - x0, y1 - y0);
    const look = markLook(marked, markTint, markEdge, this.line, largest);
    const shifted = { ...place, left: place.left - x0, top: place.top - y0 };
    paint(new Uint32Array(layer.data.buffer), layer, labels, shifted, look);
    context.putImageData(layer, x0, y0);
  }

  /** Canvases have the screen's pixels, one for one. */
  #fit(): void {
    this.#density = Math.min(maxDensity, globalThis.devicePixelRatio || 1);
    const { width, height } = this.size;
    const [w, h] = [Math.max(1, Math.round(width * this.#density)), Math.max(1, Math.round(height * this.#density))];
    if (this.#base.width === w && this.#base.height === h) return;
    for (const canvas of this.#canvases) {
      canvas.width = w;
      canvas.height = h;
    }
    this.#layer = undefined;
  }

  #place(view: View): Placement | undefined {
    if (this.frame === undefined || this.#base.width <= 1) return undefined;
    return placementOf(view, this.#base, this.frame);
  }

  #drawBase(context: CanvasRenderingContext2D, { left, top, width, height }: Placement, coarse: boolean): void {
    const base = this.opened?.base;
    if (base === undefined) return;
    const { small } = base;
    const bitmap = small !== undefined && width <= small.width ? small : base.bitmap;
    context.imageSmoothingEnabled = width / base.bitmap.width < squaresFrom;
    context.imageSmoothingQuality = coarse ? "low" : "high";
    // What was transparent lay on white when it was segmented.
    context.fillStyle = "white";
    context.fillRect(left, top, width, height);
    context.drawImage(bitmap, left, top, width, height);
  }
}
