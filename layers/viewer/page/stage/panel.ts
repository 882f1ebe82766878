import { fileAddress } from "../addresses.js";
import { type ClassChoice, ClassFilter } from "../class-filter.js";
import type { Filter } from "../data/filter.js";
import { byId, el, setText } from "../dom.js";
import { scoreFilter } from "../score-filter.js";
import type { State } from "../state.js";
import { count, plural, readable } from "../words.js";
import { LayersPanel } from "./layers-panel.js";
import type { Opened } from "./open.js";
import type { Layers, Scene } from "./scene.js";
import { SegmentList } from "./segment-list.js";

/** Beside the picture: what it is, what is drawn of it, its classes and its segments. */
export class Panel {
  readonly layers: LayersPanel;
  readonly list = new SegmentList();
  readonly #facts = el("section", { class: "facts" });
  readonly #classes: ClassFilter;
  readonly #classSection: HTMLElement;
  readonly #score: HTMLElement;
  readonly #listTitle = el("h2", { id: "segments-title" });
  readonly #sides = el(
    "fieldset",
    { class: "segmented", hidden: true },
    el("legend", { class: "unseen" }, "Segments of"),
  );
  readonly #files = el("section", { class: "files" });
  /** Called when the list is to show another of the two runs. */
  onSide: (side: number) => void = () => {};

  constructor(layers: State<Layers>, filter: State<Filter>, runs: readonly string[]) {
    this.layers = new LayersPanel(layers);
    this.#classes = new ClassFilter(filter, "Show these classes only");
    this.#score = scoreFilter(filter, "image-score");
    this.#classSection = el("section", {}, el("h2", {}, "Classes"), this.#classes.element, this.#score);
    for (const [side, name] of runs.length > 1 ? runs.entries() : []) {
      const input = el("input", { type: "radio", name: "side", value: side });
      input.checked = side === 0;
      input.addEventListener("change", () => this.onSide(side));
      this.#sides.append(el("label", {}, input, el("span", {}, readable(name))));
    }
    this.#sides.hidden = runs.length < 2;
    byId("panel", HTMLElement).append(
      this.layers.element,
      this.#classSection,
      el("section", { class: "list" }, this.#listTitle, this.#sides, this.list.element),
      this.#facts,
      this.#files,
    );
  }

  show(all: readonly Opened[]): void {
    const [first] = all;
    if (first === undefined) return;
    this.#facts.replaceChildren(...all.map((opened) => factsOf(opened, all.length > 1)));
    this.layers.show(first);
    const classes = classesOf(all);
    this.#classes.show(classes);
    this.#classSection.hidden = classes.length === 0;
    this.#score.hidden = all.every(({ result }) => result.segments.every(({ score }) => score === undefined));
    this.#files.replaceChildren(el("h2", {}, "Files"), ...all.map((opened) => filesOf(opened, all.length > 1)));
  }

  /** The segments of one side. */
  listSegments({ result }: Opened, scene: Scene, side: number): void {
    const rows = result.segments.flatMap(({ id, area }) => {
      const about = scene.describe(id);
      return about === undefined ? [] : [{ ...about, id, area }];
    });
    rows.sort((a, b) => b.area - a.area || a.id - b.id);
    const all = result.segments.length;
    setText(
      this.#listTitle,
      rows.length === all ? plural(all, "segment") : `${count(rows.length)} of ${plural(all, "segment")}`,
    );
    for (const input of this.#sides.querySelectorAll("input")) input.checked = Number(input.value) === side;
    this.list.show(rows);
  }
}

function factsOf({ run, result, notes }: Opened, named: boolean): HTMLElement {
  const { width, height, task, model, parameters } = result;
  const settings = parameters.map(([name, value]) => `${readable(name).replaceAll("_", " ")} ${readable(value)}`);
  const lines: [string, string][] = [
    ["Size", `${count(width)} \u00d7 ${count(height)} pixels`],
    ["Task", readable(task)],
    ["Model", readable(model)],
    ...(settings.length === 0 ? [] : [["Settings", settings.join(", ")] as [string, string]]),
    ...[...result.notes, ...notes].map((note): [string, string] => ["Note", readable(note)]),
  ];
  const list = el("dl", {}, ...lines.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]));
  return el("div", {}, el("h2", {}, named ? readable(run.name) : "About"), list);
}

function filesOf({ run, entry }: Opened, named: boolean): HTMLElement {
  const list = el("ul");
  for (const name of entry.files) {
    list.append(el("li", {}, el("a", { href: fileAddress(run, entry, name), download: name }, readable(name))));
  }
  return el("div", {}, ...(named ? [el("h3", {}, readable(run.name))] : []), list);
}

/** Classes of what is shown, with the number of their segments (of the run that has more), the most frequent first. */
function classesOf(all: readonly Opened[]): ClassChoice[] {
  const classes = new Map<string, ClassChoice>();
  for (const { result } of all) {
    const counts = new Map<string, number>();
    for (const { name, color } of result.segments) {
      if (name === undefined) continue;
      const number = (counts.get(name) ?? 0) + 1;
      counts.set(name, number);
      const most = Math.max(number, classes.get(name)?.number ?? 0);
      classes.set(name, {
        name,
        color: classes.get(name)?.color === undefined ? color : classes.get(name)?.color,
        number: most,
      });
    }
  }
  return [...classes.values()].sort((a, b) => b.number - a.number || (a.name < b.name ? -1 : 1));
}
