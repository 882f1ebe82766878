import type { Filter } from "../data/filter.js";
import { byId, everyFrame, setText } from "../dom.js";
import { dotsBetween } from "../draw/dots.js";
import { movedBy, showing, type View, wholeView, zoomedAt } from "../draw/view.js";
import { animate } from "../motion.js";
import type { State } from "../state.js";
import { Chip, sentenceOf } from "./chip.js";
import type { Opened } from "./open.js";
import { Pane } from "./pane.js";
import { followPointers } from "./pointers.js";
import { type Description, type Layers, type StepPosition, sceneOf } from "./scene.js";

/** From one E-step to the next. */
const moveMs = 450;

/** After the last move the picture is painted in full. */
const settleMs = 150;

/** A pointer that has stayed on a segment for so long means it. */
const restMs = 500;

/** What is looked at, beside the pictures themselves. */
export interface Look {
  readonly layers: State<Layers>;
  readonly filter: State<Filter>;
}

/** The pictures: one, or two side by side that are zoomed and moved as one. */
export class Stage {
  readonly panes: readonly Pane[];
  readonly #root = byId("panes", HTMLElement);
  readonly #live = byId("live", HTMLElement);
  readonly #chips: readonly Chip[];
  readonly #look: Look;
  #view: View = wholeView;
  #step: StepPosition;
  /** Segment chosen in each pane, which stays marked, and the one that the pointer is on; 0 for none. */
  #chosen: number[];
  #pointed: number[];
  /** Called when another segment was chosen by the pointer: of which pane, and its id or 0. */
  onChoose: (pane: number, id: number) => void = () => {};
  #stopMoving: () => void = () => {};
  #saying: ReturnType<typeof setTimeout> | undefined;
  /** Set while the picture is moved or zoomed. */
  #settling: ReturnType<typeof setTimeout> | undefined;
  readonly #draw = everyFrame(() => this.#drawAll());
  readonly #drawMarks = everyFrame(() => this.#marks());

  constructor(count: number, look: Look) {
    this.#look = look;
    this.panes = Array.from({ length: count }, () => new Pane());
    this.#chips = this.panes.map(() => new Chip());
    this.#chosen = this.panes.map(() => 0);
    this.#pointed = this.panes.map(() => 0);
    for (const [i, { element }] of this.panes.entries()) {
      element.querySelector(".canvases")!.append(this.#chips[i]!.element);
      followPointers(element.querySelector(".canvases")!, {
        move: (dx, dy) => this.move(dx, dy, i),
        zoom: (factor, x, y) => this.#zoomIn(i, factor, this.panes[i]!.at(x, y)),
        point: (x, y) => this.#point(i, x, y),
        leave: () => this.#leave(),
        pick: () => this.#pick(i),
      });
    }
    this.#root.replaceChildren(...this.panes.map(({ element }) => element));
    new ResizeObserver(() => this.redraw()).observe(this.#root);
    look.layers.listen(() => this.rebuild());
    look.filter.listen(() => this.rebuild());
  }

  show(pane: number, opened: Opened | undefined): void {
    this.#stopMoving();
    this.panes[pane]!.opened = opened;
    this.panes[pane]!.showGhost(0);
    this.#chosen[pane] = 0;
    this.#pointed[pane] = 0;
    this.rebuild();
  }

  /** @param moving let what was there fade and the dots go their way, as the picture is the same */
  setStep(step: StepPosition, moving: boolean): void {
    this.#step = step;
    // Clusters have other numbers than segments.
    this.#chosen = this.panes.map(() => 0);
    this.#stopMoving();
    this.#leave();
    const before = this.panes.map(({ scene }) => scene?.dots ?? []);
    if (moving) for (const pane of this.panes) pane.keepGhost();
    this.rebuild();
    if (!moving) return;
    this.#stopMoving = animate(moveMs, (part) => {
      for (const [i, pane] of this.panes.entries()) {
        pane.showGhost(1 - part);
        pane.drawMarks(this.#view, this.#chosen[i]!, dotsBetween(before[i]!, pane.scene?.dots ?? [], part));
      }
    });
  }

  /** Make the scenes anew, after a switch. */
  rebuild(): void {
    for (const [i, pane] of this.panes.entries()) {
      const { opened } = pane;
      const layers = this.#look.layers.get();
      pane.scene =
        opened === undefined ? undefined : sceneOf(opened, layers, this.#look.filter.get(), this.#step, pane.line);
      if (pane.scene?.describe(this.#chosen[i]!) === undefined) this.#chosen[i] = 0;
    }
    this.redraw();
  }

  redraw(): void {
    this.#draw();
  }

  fit(): void {
    this.#setView(wholeView);
  }

  zoom(factor: number): void {
    const { width, height } = this.panes[0]!.size;
    this.#zoomIn(0, factor, { x: width / 2, y: height / 2 });
  }

  /** By so many points of the page. */
  move(dx: number, dy: number, pane = 0): void {
    const { size, frame } = this.panes[pane]!;
    if (frame !== undefined) this.#setView(movedBy(this.#view, dx, dy, size, frame));
  }

  chosen(pane: number): number {
    return this.#chosen[pane]!;
  }

  /** Mark a segment, bring it into sight and say what it is; 0 marks none. */
  choose(pane: number, id: number): void {
    this.#chosen = this.panes.map((_, i) => (i === pane ? id : 0));
    const { scene, opened, size, frame } = this.panes[pane]!;
    const about = scene?.describe(id);
    if (about !== undefined && opened !== undefined && frame !== undefined && this.#step === undefined) {
      const pixel = opened.labels.anchors.at[id]!;
      const place = {
        x: ((pixel % frame.width) + 0.5) / frame.width,
        y: (Math.floor(pixel / frame.width) + 0.5) / frame.height,
      };
      this.#setView(showing(this.#view, place, size, frame));
    }
    setText(this.#live, about === undefined ? "" : sentenceOf(about));
    this.#drawMarks();
  }

  #zoomIn(pane: number, factor: number, at: { x: number; y: number }): void {
    const { size, frame } = this.panes[pane]!;
    if (frame !== undefined) this.#setView(zoomedAt(this.#view, factor, at, size, frame));
  }

  #setView(view: View): void {
    this.#view = view;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      delete this.#root.dataset["moving"];
      this.redraw();
    }, settleMs);
    this.#root.dataset["zoom"] = view.zoom.toFixed(2);
    this.#root.dataset["moving"] = "";
    this.redraw();
  }

  /** The pointer is at one place of the image, so it is at that place in both panes. */
  #point(pane: number, clientX: number, clientY: number): void {
    const at = this.panes[pane]!.at(clientX, clientY);
    const before = this.#pointed[pane];
    for (const [i, one] of this.panes.entries()) {
      this.#pointed[i] = one.idAt(at, this.#view);
      this.#chips[i]!.show(one.scene?.describe(this.#pointed[i]), at);
    }
    if (this.#pointed[pane] !== before) this.#sayLater(this.panes[pane]!.scene?.describe(this.#pointed[pane]!));
    this.#drawMarks();
  }

  /** What a pointer only passes over is not said. */
  #sayLater(about: Description | undefined): void {
    clearTimeout(this.#saying);
    if (about !== undefined) this.#saying = setTimeout(() => setText(this.#live, sentenceOf(about)), restMs);
  }

  #leave(): void {
    clearTimeout(this.#saying);
    this.#pointed = this.panes.map(() => 0);
    for (const chip of this.#chips) chip.show(undefined, { x: 0, y: 0 });
    this.#drawMarks();
  }

  #pick(pane: number): void {
    const id = this.#pointed[pane]!;
    this.choose(pane, id === this.#chosen[pane] ? 0 : id);
    this.onChoose(pane, this.#chosen[pane]!);
  }

  #drawAll(): void {
    const { image } = this.#look.layers.get();
    for (const pane of this.panes) pane.draw(this.#view, image, this.#settling !== undefined);
    this.#marks();
  }

  #marks(): void {
    for (const [i, pane] of this.panes.entries()) pane.drawMarks(this.#view, this.#pointed[i]! || this.#chosen[i]!);
  }
}
