import { el, everyFrame } from "../dom.js";
import { cssOf } from "../draw/colours.js";
import { percent, readable } from "../words.js";
import type { Description } from "./scene.js";

export interface ListedSegment extends Description {
  readonly id: number;
}

/** Points; the style says the same. */
const rowHeight = 30;
const spare = 6;

/** The segments, the largest first. Of 60,000 only those in sight are elements. */
export class SegmentList {
  readonly element = el("div", {
    id: "segments",
    class: "segments",
    role: "listbox",
    tabindex: 0,
    "aria-label": "Segments, the largest first",
  });
  readonly #spacer = el("div", { class: "spacer", role: "presentation" });
  #rows: readonly ListedSegment[] = [];
  #chosen = 0;
  readonly #draw = everyFrame(() => this.#fill());
  onChoose: (id: number) => void = () => {};

  constructor() {
    this.element.append(this.#spacer);
    this.element.addEventListener("scroll", this.#draw, { passive: true });
    new ResizeObserver(this.#draw).observe(this.element);
    this.#spacer.addEventListener("click", ({ target }) => {
      const row = target instanceof Element ? target.closest<HTMLElement>("[data-id]") : null;
      if (row !== null) this.onChoose(Number(row.dataset["id"]));
    });
  }

  show(rows: readonly ListedSegment[]): void {
    this.#rows = rows;
    this.#spacer.style.height = `${rows.length * rowHeight}px`;
    this.#draw();
  }

  get rows(): readonly ListedSegment[] {
    return this.#rows;
  }

  /** Mark one as chosen, and scroll to it; 0 for none. */
  choose(id: number): void {
    this.#chosen = id;
    const at = this.#rows.findIndex((row) => row.id === id);
    if (at >= 0) {
      const { scrollTop, clientHeight } = this.element;
      const top = at * rowHeight;
      if (top < scrollTop) this.element.scrollTop = top;
      else if (top + rowHeight > scrollTop + clientHeight) this.element.scrollTop = top + rowHeight - clientHeight;
    }
    this.#draw();
  }

  /** The one so many rows below the one that is chosen; the first or last where there is none. */
  idFromChosen(by: number): number {
    const at = this.#rows.findIndex(({ id }) => id === this.#chosen);
    const next = at < 0 ? (by > 0 ? 0 : this.#rows.length - 1) : Math.min(this.#rows.length - 1, Math.max(0, at + by));
    return this.#rows[next]?.id ?? 0;
  }

  #fill(): void {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / rowHeight) - spare);
    const last = Math.min(this.#rows.length, Math.ceil((scrollTop + clientHeight) / rowHeight) + spare);
    this.#spacer.replaceChildren(...this.#rows.slice(first, last).map((row, i) => this.#row(row, first + i)));
    const isShown = this.#rows.slice(first, last).some(({ id }) => id === this.#chosen);
    if (isShown) this.element.setAttribute("aria-activedescendant", `segment-${this.#chosen}`);
    else this.element.removeAttribute("aria-activedescendant");
  }

  #row({ id, title, color, score, part, more }: ListedSegment, at: number): HTMLElement {
    const swatch = el("span", { class: "swatch" });
    swatch.style.backgroundColor = cssOf(color);
    const row = el(
      "div",
      {
        id: `segment-${id}`,
        class: "segment",
        role: "option",
        "aria-selected": String(id === this.#chosen),
        "aria-posinset": at + 1,
        "aria-setsize": this.#rows.length,
        "data-id": id,
      },
      swatch,
      el("span", { class: "name" }, readable(title), ...(more === undefined ? [] : [el("small", {}, ` ${id}`)])),
      el("span", { class: "number" }, score === undefined ? "" : score.toFixed(2)),
      el("span", { class: "number" }, percent(part)),
    );
    row.style.transform = `translateY(${at * rowHeight}px)`;
    return row;
  }
}
