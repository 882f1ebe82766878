import type { Filter } from "./data/filter.js";
import { el } from "./dom.js";
import { cssOf, type Paint } from "./draw/colours.js";
import type { State } from "./state.js";
import { count, readable } from "./words.js";

/** A class that can be filtered by. */
export interface ClassChoice {
  readonly name: string;
  readonly color: Paint | undefined;
  /** How many of what is to be seen have it. */
  readonly number: number;
}

/** Buttons with the classes' colours, which are the legend as well. None pressed is all shown. */
export class ClassFilter {
  readonly element: HTMLElement;
  readonly #filter: State<Filter>;
  readonly #buttons = new Map<string, HTMLButtonElement>();
  #shown = "";

  constructor(filter: State<Filter>, label: string) {
    this.element = el("div", { class: "classes", role: "group", "aria-label": label, hidden: true });
    this.#filter = filter;
    filter.listen(() => this.#press());
  }

  show(choices: readonly ClassChoice[]): void {
    const shown = JSON.stringify(choices);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#buttons.clear();
    for (const { name, color, number } of choices) {
      const swatch = el("span", { class: "swatch" });
      if (color !== undefined) swatch.style.backgroundColor = cssOf(color);
      const label = el("span", {}, readable(name));
      const button = el("button", { type: "button", class: "class" }, swatch, label, el("small", {}, count(number)));
      button.addEventListener("click", () => this.#toggle(name));
      this.#buttons.set(name, button);
    }
    this.element.hidden = choices.length === 0;
    this.element.replaceChildren(...this.#buttons.values());
    this.#press();
  }

  #toggle(name: string): void {
    const classes = new Set(this.#filter.get().classes);
    if (!classes.delete(name)) classes.add(name);
    this.#filter.merge({ classes });
  }

  #press(): void {
    const { classes } = this.#filter.get();
    this.element.classList.toggle("some", classes.size > 0);
    for (const [name, button] of this.#buttons) button.setAttribute("aria-pressed", String(classes.has(name)));
  }
}
