import type { Filter } from "./data/filter.js";
import { el, setText } from "./dom.js";
import type { State } from "./state.js";

/** The least score that is shown. */
export function scoreFilter(filter: State<Filter>, id: string): HTMLElement {
  const slider = el("input", { type: "range", id, min: 0, max: 1, step: 0.05, value: 0 });
  const value = el("output", { for: id });
  const show = () => {
    const { score } = filter.get();
    slider.value = String(score);
    setText(value, score === 0 ? "any" : `${score.toFixed(2)} or more`);
    slider.setAttribute("aria-valuetext", value.textContent ?? "");
  };
  slider.addEventListener("input", () => filter.merge({ score: slider.valueAsNumber }));
  filter.listen(show);
  show();
  return el("div", { class: "slider" }, el("label", { for: id }, "Score"), slider, value);
}
