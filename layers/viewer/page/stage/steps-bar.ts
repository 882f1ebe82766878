import type { Steps } from "../data/steps.js";
import { byId, el, setText } from "../dom.js";
import { percent } from "../words.js";
import type { StepPosition } from "./scene.js";

/** Between two positions when it plays. */
const playMs = 900;

/** Of more steps than this not each has its number below the slider. */
const mostNames = 10;

/** The slider from the seeds over the E-steps to the masks, with how much changed at each step, and a button that plays it. */
export class StepsBar {
  readonly #root = byId("steps", HTMLElement);
  readonly #play = el("button", { type: "button", class: "play", "aria-label": "Play" }, "\u25b6");
  readonly #slider = el("input", { type: "range", id: "step", min: 0, step: 1, "aria-label": "E-step" });
  readonly #text = el("p", { class: "step-text", "aria-hidden": "true" });
  readonly #marks = el("div", { class: "step-marks", "aria-hidden": "true" });
  #steps: Steps | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** @param moving false when it is another image's step */
  onStep: (step: StepPosition, moving: boolean) => void = () => {};

  constructor() {
    this.#root.append(this.#play, el("div", { class: "step-track" }, this.#marks, this.#slider), this.#text);
    this.#slider.addEventListener("input", () => {
      this.stop();
      this.#tell();
    });
    this.#play.addEventListener("click", () => this.toggle());
  }

  /** For a result that has steps; undefined hides the bar. It begins at the masks. */
  show(steps: Steps | undefined): void {
    this.stop();
    this.#steps = steps;
    this.#root.hidden = steps === undefined;
    if (steps === undefined) return;
    const last = steps.frames.length + 1;
    this.#slider.max = String(last);
    this.#slider.value = String(last);
    const most = Math.max(...steps.changed.slice(1), 0.01);
    const every = Math.ceil(steps.frames.length / mostNames);
    const numbers = steps.frames.map((_, i) => (i % every === 0 ? String(i + 1) : ""));
    const names = ["Seeds", ...numbers, "Masks"];
    this.#marks.replaceChildren(
      ...names.map((name, at) => {
        const bar = el("span", { class: "bar" });
        const mark = el("span", {}, el("span", { class: "room" }, bar), el("span", { class: "step-name" }, name));
        mark.style.left = `${(100 * at) / last}%`;
        // The first step gives every pixel to a cluster for the first time, which is no change.
        const changed = at < 2 ? 0 : (steps.changed[at - 1] ?? 0);
        bar.style.height = `${(100 * changed) / most}%`;
        return mark;
      }),
    );
    this.#tell(false);
  }

  get isShown(): boolean {
    return this.#steps !== undefined;
  }

  /** Is something else to be seen than the masks? */
  get isMoving(): boolean {
    return this.#steps !== undefined && !this.#atEnd;
  }

  /** Go on or back by so many positions. */
  go(by: number): void {
    if (this.#steps === undefined) return;
    this.stop();
    this.#slider.valueAsNumber += by;
    this.#tell();
  }

  /** Play from the seeds to the masks, or from here if it was stopped on the way. */
  toggle(): void {
    if (this.#steps === undefined) return;
    if (this.#timer !== undefined) {
      this.stop();
      return;
    }
    if (this.#atEnd) this.#slider.value = "0";
    this.#tell();
    this.#setPlaying(true);
    this.#timer = setInterval(() => {
      this.#slider.valueAsNumber += 1;
      this.#tell();
      if (this.#atEnd) this.stop();
    }, playMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#setPlaying(false);
  }

  get #atEnd(): boolean {
    return this.#slider.value === this.#slider.max;
  }

  #setPlaying(playing: boolean): void {
    setText(this.#play, playing ? "\u275a\u275a" : "\u25b6");
    this.#play.setAttribute("aria-label", playing ? "Pause" : "Play");
  }

  #tell(moving = true): void {
    if (this.#steps === undefined) return;
    const at = this.#slider.valueAsNumber;
    const text = textOf(this.#steps, at);
    this.#slider.setAttribute("aria-valuetext", text);
    setText(this.#text, text);
    for (const [i, mark] of [...this.#marks.children].entries()) mark.classList.toggle("here", i === at);
    this.onStep(this.#atEnd ? undefined : at, moving);
  }
}

function textOf({ frames, changed, seeds }: Steps, at: number): string {
  if (at === 0) return seeds.some((seed) => seed !== undefined) ? "Seeds" : "Seeds: class centres have no place";
  if (at > frames.length) return "Masks";
  const step = `E-step ${at} of ${frames.length}`;
  return at === 1 ? step : `${step}: ${percent(changed[at - 1]!)} of pixels changed cluster`;
}
