import type { Item } from "../data/library.js";
import { byId, el, everyFrame, setText } from "../dom.js";
import { nameOf } from "../name.js";
import { hashOf } from "../route.js";
import { count, plural, readable } from "../words.js";
import type { ThumbnailMode } from "../work/jobs.js";
import { heightOf, layOut, neighbour, type Row, type RowsOptions, rowOf, rowsWithin, shapeOf } from "./rows.js";
import type { Thumbnails } from "./thumbnails.js";

/** Points; the style says the same of the caption. */
const caption = 44;
const gap = 16;
/** Points above and below what is in sight that have elements as well. */
const spare = 400;

interface Card {
  readonly element: HTMLElement;
  readonly link: HTMLAnchorElement;
  readonly frame: HTMLElement;
  readonly facts: HTMLElement;
  readonly wanted: AbortController;
  /** What its picture was drawn for. */
  drawn: string;
}

/** Pictures in rows. However many there are, only those in sight are elements. */
export class Gallery {
  readonly #scroll = byId("scroll", HTMLElement);
  readonly #grid = byId("grid", HTMLElement);
  readonly #thumbnails: Thumbnails;
  readonly #cards = new Map<string, Card>();
  #items: readonly Item[] = [];
  #indexes = new Map<string, number>();
  #rows: readonly Row[] = [];
  #options: RowsOptions = { width: 0, height: 200, gap, caption };
  #mode: ThumbnailMode = "both";
  /** The card that has the focus, or would get it; there is always one. */
  #current = 0;
  readonly #draw = everyFrame(() => this.#drawCards());
  readonly #lay = everyFrame(() => this.#layOut());

  constructor(thumbnails: Thumbnails) {
    this.#thumbnails = thumbnails;
    this.#scroll.addEventListener("scroll", this.#draw, { passive: true });
    new ResizeObserver(this.#lay).observe(this.#scroll);
    this.#grid.addEventListener("focusin", ({ target }) => {
      const index = this.#indexOf(target);
      if (index !== undefined) this.#setCurrent(index);
    });
  }

  show(items: readonly Item[], mode: ThumbnailMode): void {
    const key = this.#items[this.#current]?.key;
    this.#items = items;
    this.#indexes = new Map(items.map((item, index) => [item.key, index]));
    this.#mode = mode;
    this.#current = (key === undefined ? undefined : this.#indexes.get(key)) ?? 0;
    this.#lay();
  }

  /** Bring an image into sight and put the focus on it. */
  focus(key: string): void {
    const index = this.#indexes.get(key);
    if (index !== undefined) this.#goTo(index);
  }

  /** Move the focus from card to card. @returns whether there was one to move it from */
  move(direction: "left" | "right" | "up" | "down" | "first" | "last"): boolean {
    if (this.#items.length === 0) return false;
    const last = this.#items.length - 1;
    const at = this.#current;
    const next = {
      left: Math.max(0, at - 1),
      right: Math.min(last, at + 1),
      up: neighbour(this.#rows, at, -1),
      down: neighbour(this.#rows, at, 1),
      first: 0,
      last,
    }[direction];
    this.#goTo(document.activeElement?.closest("#grid") ? next : at);
    return true;
  }

  #goTo(index: number): void {
    const row = this.#rows[rowOf(this.#rows, index)];
    if (row === undefined) return;
    const { scrollTop, clientHeight } = this.#scroll;
    const bottom = row.top + row.height + caption;
    if (row.top < scrollTop) this.#scroll.scrollTop = row.top - gap;
    else if (bottom > scrollTop + clientHeight) this.#scroll.scrollTop = bottom - clientHeight + gap;
    this.#setCurrent(index);
    this.#drawCards();
    this.#cards.get(this.#items[index]!.key)?.link.focus({ preventScroll: true });
  }

  #setCurrent(index: number): void {
    this.#cards.get(this.#items[this.#current]?.key ?? "")?.link.setAttribute("tabindex", "-1");
    this.#current = index;
    this.#cards.get(this.#items[index]?.key ?? "")?.link.setAttribute("tabindex", "0");
  }

  #indexOf(target: EventTarget | null): number | undefined {
    const card = target instanceof Element ? target.closest<HTMLElement>("[data-key]") : null;
    return card === null ? undefined : this.#indexes.get(card.dataset["key"]!);
  }

  #layOut(): void {
    const { clientWidth } = this.#scroll;
    const inner = clientWidth - 2 * Number.parseFloat(getComputedStyle(this.#scroll).paddingLeft);
    // Hidden: the other view is shown.
    if (inner <= 0) return;
    this.#options = { width: inner, height: inner < 600 ? 150 : 200, gap, caption };
    this.#rows = layOut(
      this.#items.map(({ entries }) => shapeOf(entries.find((one) => one !== undefined)!)),
      this.#options,
    );
    this.#grid.style.height = `${heightOf(this.#rows, this.#options)}px`;
    this.#drawCards();
  }

  #drawCards(): void {
    const { scrollTop, clientHeight } = this.#scroll;
    const [from, to] = rowsWithin(this.#rows, scrollTop - spare, scrollTop + clientHeight + spare, caption);
    const wanted = new Set<string>();
    for (const row of this.#rows.slice(from, to)) for (const cell of row.cells) this.#place(row, cell.index, wanted);
    // Whoever tabs back must find the card with the focus where it was.
    const row = this.#rows[rowOf(this.#rows, this.#current)];
    if (row !== undefined) this.#place(row, this.#current, wanted);
    for (const [key, { element, wanted: controller }] of this.#cards) {
      if (wanted.has(key)) continue;
      controller.abort();
      element.remove();
      this.#cards.delete(key);
    }
  }

  #place(row: Row, index: number, wanted: Set<string>): void {
    const item = this.#items[index]!;
    if (wanted.has(item.key)) return;
    wanted.add(item.key);
    let card = this.#cards.get(item.key);
    if (card === undefined) {
      card = newCard(item);
      this.#cards.set(item.key, card);
      this.#grid.append(card.element);
    }
    const { left, width } = row.cells[index - row.cells[0]!.index]!;
    card.element.setAttribute("aria-posinset", String(index + 1));
    card.element.setAttribute("aria-setsize", String(this.#items.length));
    card.link.setAttribute("tabindex", index === this.#current ? "0" : "-1");
    card.element.style.transform = `translate(${left}px, ${row.top}px)`;
    card.element.style.width = `${width}px`;
    card.frame.style.height = `${row.height}px`;
    setText(card.facts, factsOf(item));
    const drawn = `${this.#mode} ${Math.round(width)}`;
    if (card.drawn === drawn) return;
    card.drawn = drawn;
    card.frame.replaceChildren(this.#thumbnails.canvasOf(item, this.#mode, width, row.height, card.wanted.signal));
  }
}

function newCard(item: Item): Card {
  const frame = el("span", { class: "picture" });
  const name = el("span", { class: "name", title: readable(item.key) }, ...nameOf(item.key));
  const facts = el("span", { class: "facts" });
  const link = el("a", { href: hashOf({ kind: "image", key: item.key }), class: "card" }, frame, name, facts);
  const element = el("li", { "data-key": item.key }, link);
  return { element, link, frame, facts, wanted: new AbortController(), drawn: "" };
}

/** Of two runs both numbers. */
function factsOf({ entries }: Item): string {
  const numbers = entries.map((entry) => entry?.segments);
  const [first] = numbers;
  if (numbers.length === 1) return plural(first ?? 0, "segment");
  return `${numbers.map((one) => (one === undefined ? "\u2013" : count(one))).join(" | ")} segments`;
}
