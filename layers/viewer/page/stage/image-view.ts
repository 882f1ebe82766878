import type { Filter } from "../data/filter.js";
import type { Item, Library } from "../data/library.js";
import { byId } from "../dom.js";
import { createState, type State } from "../state.js";
import { readable } from "../words.js";
import type { Workers } from "../work/workers.js";
import { defaultLayers } from "./layers-panel.js";
import { closeResult, type Opened, openResult } from "./open.js";
import { Panel } from "./panel.js";
import type { Layers } from "./scene.js";
import { Stage } from "./stage.js";
import { StepsBar } from "./steps-bar.js";

/** One image, large, with its panel: its results in one run or in two. */
export class ImageView {
  readonly stage: Stage;
  readonly panel: Panel;
  readonly steps = new StepsBar();
  readonly #library: Library;
  readonly #workers: Workers;
  readonly #layers: State<Layers>;
  /** Kind of result that the layers were chosen for: another kind begins with its own defaults. */
  #layersFor = "";
  #side = 0;
  #item: Item | undefined;
  /** Of the image shown, how many runs had a result when it was opened: the index may not have been all in. */
  #results = 0;
  #turn = 0;

  constructor(library: Library, filter: State<Filter>, workers: Workers) {
    this.#library = library;
    this.#workers = workers;
    const unset = {
      image: true,
      fill: true,
      outlines: true,
      numbers: false,
      names: false,
      opacity: 0.5,
      scheme: undefined,
    };
    this.#layers = createState<Layers>(unset);
    this.stage = new Stage(library.runs.length, { layers: this.#layers, filter });
    this.panel = new Panel(
      this.#layers,
      filter,
      library.runs.map(({ name }) => name),
    );
    this.steps.onStep = (step, moving) => {
      this.stage.setStep(step, moving);
      if (step === undefined) this.#list();
    };
    this.stage.onChoose = (side, id) => {
      if (side !== this.#side) this.#showSide(side);
      this.panel.list.choose(id);
    };
    this.panel.list.onChoose = (id) => this.#choose(id);
    this.panel.onSide = (side) => this.#showSide(side);
    // Scenes are made anew by then: the stage listens as well, and did so first.
    for (const state of [this.#layers, filter]) state.listen(() => this.#list());
  }

  async show(item: Item): Promise<void> {
    const results = item.entries.filter((entry) => entry !== undefined).length;
    if (item === this.#item && results === this.#results) return;
    this.close();
    this.#item = item;
    this.#results = results;
    const turn = this.#turn;
    this.stage.fit();
    const opened = await Promise.all(item.entries.map((_, side) => this.#open(item, side, turn)));
    if (turn !== this.#turn) {
      for (const one of opened) if (one !== undefined) closeResult(one);
      return;
    }
    const all = opened.filter((one) => one !== undefined);
    if (all[0] !== undefined) this.#chooseLayers(all[0]);
    for (const [side, one] of opened.entries()) this.stage.show(side, one);
    this.#side = Math.max(
      0,
      opened.findIndex((one) => one !== undefined),
    );
    this.panel.show(all);
    this.steps.show(all.find(({ steps }) => steps !== undefined)?.steps);
    this.#list();
    byId("image-view", HTMLElement).dataset["shown"] = item.key;
  }

  close(): void {
    this.#turn++;
    this.#item = undefined;
    delete byId("image-view", HTMLElement).dataset["shown"];
    this.steps.show(undefined);
    for (const [side, { opened }] of this.stage.panes.entries()) {
      this.stage.show(side, undefined);
      if (opened !== undefined) closeResult(opened);
    }
  }

  /** Choose the segment so many rows further down the list. */
  walk(by: number): void {
    this.#choose(this.panel.list.idFromChosen(by));
  }

  /** @returns whether one was chosen */
  chooseNone(): boolean {
    const was = this.stage.panes.some((_, side) => this.stage.chosen(side) !== 0);
    this.#choose(0);
    return was;
  }

  #choose(id: number): void {
    this.stage.choose(this.#side, id);
    this.panel.list.choose(id);
  }

  async #open(item: Item, side: number, turn: number): Promise<Opened | undefined> {
    const pane = this.stage.panes[side]!;
    const run = this.#library.runs[side]!;
    const entry = item.entries[side];
    pane.setTitle(this.#library.runs.length > 1 ? readable(run.name) : "");
    pane.setMessage(entry === undefined ? "This run has no result of this image." : "");
    if (entry === undefined) return undefined;
    try {
      return await openResult(run, entry, this.#workers);
    } catch (error) {
      if (turn === this.#turn) pane.setMessage(error instanceof Error ? readable(error.message) : String(error));
      return undefined;
    }
  }

  #chooseLayers(opened: Opened): void {
    const defaults = defaultLayers(opened);
    const kind = JSON.stringify(defaults);
    if (kind !== this.#layersFor) this.#layers.set(defaults);
    this.#layersFor = kind;
  }

  #showSide(side: number): void {
    this.#side = side;
    this.#list();
  }

  #list(): void {
    const { opened, scene } = this.stage.panes[this.#side]!;
    if (opened === undefined || scene === undefined || this.steps.isMoving) return;
    this.panel.listSegments(opened, scene, this.#side);
    this.panel.list.choose(this.stage.chosen(this.#side));
  }
}
