import { el, setText } from "../dom.js";
import { cssOf } from "../draw/colours.js";
import { count, percent, readable } from "../words.js";
import type { Description } from "./scene.js";

/** What is known of the segment that is pointed at, in a few words beside it. */
export class Chip {
  readonly element = el("div", { class: "chip", "aria-hidden": "true", hidden: true });
  readonly #swatch = el("span", { class: "swatch" });
  readonly #title = el("strong");
  readonly #facts = el("span", { class: "facts" });

  constructor() {
    this.element.append(this.#swatch, this.#title, this.#facts);
  }

  /** @param at in the parent's points; kept inside of it */
  show(about: Description | undefined, at: { x: number; y: number }): void {
    this.element.hidden = about === undefined;
    if (about === undefined) return;
    this.#swatch.style.backgroundColor = cssOf(about.color);
    setText(this.#title, readable(about.title));
    setText(this.#facts, factsOf(about));
    const parent = this.element.offsetParent;
    const room = parent?.getBoundingClientRect() ?? new DOMRect();
    const { width, height } = this.element.getBoundingClientRect();
    const x = Math.max(8, Math.min(at.x + 14, room.width - width - 8));
    const below = at.y + 18;
    const y = below + height > room.height - 8 ? Math.max(8, at.y - height - 12) : below;
    this.element.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }
}

function factsOf({ score, area, part, more }: Description): string {
  const facts = [
    ...(score === undefined ? [] : [`score ${score.toFixed(2)}`]),
    ...(area === undefined ? [] : [`${count(area)} px`]),
    percent(part),
    ...(more === undefined ? [] : [readable(more)]),
  ];
  return facts.join(" · ");
}

/** The same as a sentence, for those who hear it. */
export function sentenceOf(about: Description): string {
  return `${readable(about.title)}, ${factsOf(about).replaceAll(" · ", ", ")}`;
}
