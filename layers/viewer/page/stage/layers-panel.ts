import { el, setText } from "../dom.js";
import type { Scheme } from "../draw/schemes.js";
import { schemesOf } from "../draw/schemes.js";
import type { State } from "../state.js";
import { percent } from "../words.js";
import type { Opened } from "./open.js";
import { type Layers, schemeOf } from "./scene.js";

/** In the order of their keys, 1 to 5. */
export const layerNames = {
  image: "Image",
  fill: "Fill",
  outlines: "Outlines",
  numbers: "Numbers",
  names: "Class names",
} as const satisfies Partial<Record<keyof Layers, string>>;
export type LayerName = keyof typeof layerNames;

const schemeNames: Readonly<Record<Scheme, string>> = { class: "Class", segment: "Segment", mean: "Mean" };

/** What a layer is when a result is opened for the first time. */
export function defaultLayers({ result, base }: Opened): Layers {
  const hasClasses = result.segments.some(({ name }) => name !== undefined);
  // Over an image, the outlines say all of superpixels; without one, their colours are the picture.
  const fill = hasClasses || base === undefined;
  const opacity = base === undefined ? 1 : 0.55;
  return { image: true, fill, outlines: true, numbers: false, names: false, opacity, scheme: undefined };
}

/** The switches of the layers, the opacity of the fill, and what its colours mean. */
export class LayersPanel {
  readonly element = el("section", {}, el("h2", {}, "Layers"));
  readonly #layers: State<Layers>;
  readonly #switches = new Map<LayerName, HTMLInputElement>();
  readonly #labels = new Map<LayerName, HTMLElement>();
  readonly #opacity = el("input", { type: "range", id: "opacity", min: 0, max: 1, step: 0.05 });
  readonly #opacityText = el("output", { for: "opacity" });
  readonly #schemes = el("fieldset", { class: "segmented" }, el("legend", {}, "Colours"));
  #opened: Opened | undefined;

  constructor(layers: State<Layers>) {
    this.#layers = layers;
    for (const [i, name] of (Object.keys(layerNames) as LayerName[]).entries()) {
      const input = el("input", { type: "checkbox" });
      input.addEventListener("change", () => layers.merge({ [name]: input.checked }));
      const text = el("span", {}, layerNames[name]);
      this.#switches.set(name, input);
      this.#labels.set(name, text);
      this.element.append(el("label", { class: "check" }, input, text, el("kbd", {}, String(i + 1))));
    }
    this.#opacity.addEventListener("input", () => layers.merge({ opacity: this.#opacity.valueAsNumber }));
    const label = el("label", { for: "opacity" }, "Opacity");
    this.element.append(el("div", { class: "slider" }, label, this.#opacity, this.#opacityText), this.#schemes);
    layers.listen(() => this.#show());
  }

  show(opened: Opened): void {
    this.#opened = opened;
    const { base, result } = opened;
    const file = base?.kind === "mean" ? "Mean colours" : "Overlay";
    setText(this.#labels.get("image")!, base === undefined || base.kind === "image" ? "Image" : file);
    this.#switches.get("image")!.disabled = base === undefined;
    this.#switches.get("names")!.disabled = result.segments.every(({ name }) => name === undefined);
    const radios = schemesOf(result).map((scheme) => {
      const input = el("input", { type: "radio", name: "scheme", value: scheme });
      input.addEventListener("change", () => this.#layers.merge({ scheme }));
      return el("label", {}, input, el("span", {}, schemeNames[scheme]));
    });
    this.#schemes.replaceChildren(this.#schemes.firstElementChild!, ...radios);
    this.#schemes.hidden = radios.length < 2;
    this.#show();
  }

  /** By the layer's number, from 1. Those that the result cannot have stay as they are. */
  toggle(number: number): void {
    const name = (Object.keys(layerNames) as LayerName[])[number - 1];
    if (name === undefined || this.#switches.get(name)!.disabled) return;
    this.#layers.merge({ [name]: !this.#layers.get()[name] });
  }

  #show(): void {
    const layers = this.#layers.get();
    for (const [name, input] of this.#switches) input.checked = layers[name] && !input.disabled;
    this.#opacity.value = String(layers.opacity);
    this.#opacity.disabled = !layers.fill;
    setText(this.#opacityText, percent(layers.opacity).replace(".0%", "%"));
    if (this.#opened === undefined) return;
    const scheme = schemeOf(this.#opened, layers);
    for (const input of this.#schemes.querySelectorAll("input")) input.checked = input.value === scheme;
  }
}
