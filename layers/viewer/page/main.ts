import type { ViewerConfig, ViewerRun } from "../wire.js";
import { bindingsOf } from "./bindings.js";
import { ClassFilter } from "./class-filter.js";
import { type Filter, isFiltering, noFilter, passesImage } from "./data/filter.js";
import { type Item, Library } from "./data/library.js";
import { isRecord, isText } from "./data/read.js";
import { byId, el, everyFrame, setText } from "./dom.js";
import { Gallery } from "./gallery/gallery.js";
import { Thumbnails } from "./gallery/thumbnails.js";
import { listenForKeys } from "./keys.js";
import { nameOf } from "./name.js";
import { hashOf, routeOf } from "./route.js";
import { scoreFilter } from "./score-filter.js";
import { ImageView } from "./stage/image-view.js";
import { createState } from "./state.js";
import { count, plural, readable } from "./words.js";
import { fetchOk } from "./work/fetch.js";
import type { ThumbnailMode } from "./work/jobs.js";
import { Workers } from "./work/workers.js";

/** The page: a gallery of all images, and one image at a time. */
class Page {
  readonly #library: Library;
  readonly #filter = createState<Filter>(noFilter);
  readonly #mode = createState<{ readonly mode: ThumbnailMode }>({ mode: "both" });
  readonly #gallery: Gallery;
  readonly #image: ImageView;
  readonly #galleryView = byId("gallery-view", HTMLElement);
  readonly #imageView = byId("image-view", HTMLElement);
  readonly #classes: ClassFilter;
  readonly #score: HTMLElement;
  #items: readonly Item[] = [];
  #shown: Item | undefined;

  constructor(runs: readonly ViewerRun[]) {
    const workers = new Workers();
    this.#library = new Library(
      runs,
      everyFrame(() => this.#refresh()),
    );
    this.#gallery = new Gallery(new Thumbnails(this.#library, workers));
    this.#image = new ImageView(this.#library, this.#filter, workers);
    this.#classes = new ClassFilter(this.#filter, "Show images with these classes");
    this.#score = scoreFilter(this.#filter, "gallery-score-slider");
    byId("gallery-classes", HTMLElement).append(this.#classes.element);
    byId("gallery-score", HTMLElement).append(this.#score);
    const search = byId("search", HTMLInputElement);
    search.addEventListener("input", () => this.#filter.merge({ search: search.value }));
    byId("modes", HTMLElement).addEventListener("change", ({ target }) => {
      if (target instanceof HTMLInputElement) this.#mode.set({ mode: target.value as ThumbnailMode });
    });
    const refresh = everyFrame(() => this.#refresh());
    this.#filter.listen(refresh);
    this.#mode.listen(refresh);
    byId("previous", HTMLElement).addEventListener("click", () => this.page(-1));
    byId("next", HTMLElement).addEventListener("click", () => this.page(1));
    for (const [id, run] of [
      ["zoom-in", () => this.#image.stage.zoom(1.5)],
      ["zoom-out", () => this.#image.stage.zoom(1 / 1.5)],
      ["zoom-fit", () => this.#image.stage.fit()],
    ] as const) {
      byId(id, HTMLElement).addEventListener("click", run);
    }
    listenForKeys(bindingsOf({ gallery: this.#gallery, image: this.#image, page: this }), () =>
      this.#imageView.hidden ? "gallery" : "image",
    );
    globalThis.addEventListener("hashchange", () => this.#route());
  }

  async load(): Promise<void> {
    this.#refresh();
    await this.#library.load();
    this.#refresh();
    document.body.dataset["loaded"] = "all";
  }

  /** To the image so many further, among those that pass the filter. */
  page(by: number): void {
    if (this.#shown === undefined) return;
    const at = this.#items.indexOf(this.#shown);
    const next = this.#items[Math.min(this.#items.length - 1, Math.max(0, at + by))];
    if (next !== undefined) location.hash = hashOf({ kind: "image", key: next.key });
  }

  toGallery(): void {
    location.hash = "#/";
  }

  #refresh(): void {
    const filter = this.#filter.get();
    const { items, classes, loading, problems, hasScores } = this.#library;
    this.#items = isFiltering(filter)
      ? items.filter(({ entries }) => entries.some((entry) => entry !== undefined && passesImage(entry, filter)))
      : items;
    this.#gallery.show(this.#items, this.#mode.get().mode);
    this.#classes.show(
      [...classes.values()]
        .map(({ name, color, images }) => ({ name, color, number: images }))
        .sort((a, b) => b.number - a.number || (a.name < b.name ? -1 : 1)),
    );
    this.#score.hidden = !hasScores;
    const all = plural(items.length, "image");
    const some = this.#items.length === items.length ? all : `${count(this.#items.length)} of ${all}`;
    setText(byId("count", HTMLElement), loading ? `${some} \u2026` : some);
    const nothing = byId("nothing", HTMLElement);
    nothing.hidden = this.#items.length > 0 || loading;
    setText(nothing, items.length > 0 ? "No image passes the filter." : "There are no results here.");
    showProblems(problems);
    this.#route();
  }

  /** Show what the address names, as far as it is known yet. */
  #route(): void {
    const route = routeOf(location.hash);
    const item = route.kind === "image" ? this.#library.find(route.key) : undefined;
    // It may come still.
    if (route.kind === "image" && item === undefined && this.#library.loading) return;
    const before = this.#shown;
    this.#shown = item;
    this.#galleryView.hidden = item !== undefined;
    this.#imageView.hidden = item === undefined;
    byId("paging", HTMLElement).hidden = item === undefined;
    if (item !== undefined) {
      this.#showImage(item);
      return;
    }
    document.title = "ClustSeg";
    showPlace([this.#library.runs.map(({ name }) => readable(name)).join(" | ")], "");
    if (before === undefined) return;
    this.#image.close();
    requestAnimationFrame(() => this.#gallery.focus(before.key));
  }

  #showImage(item: Item): void {
    const at = this.#items.indexOf(item);
    showPlace(nameOf(item.key), at < 0 ? "" : `${count(at + 1)} of ${count(this.#items.length)}`);
    document.title = `${readable(item.key)} \u2013 ClustSeg`;
    this.#image.show(item);
    // What had the focus is gone from sight with the gallery.
    if (document.activeElement?.closest("#gallery-view") != null) byId("panes", HTMLElement).focus();
  }
}

/** The bar's words: what is looked at, and which of how many that is. */
function showPlace(name: readonly (Node | string)[], position: string): void {
  byId("place", HTMLElement).replaceChildren(...name);
  setText(byId("position", HTMLElement), position);
}

function showProblems(problems: readonly string[]): void {
  const details = byId("problems", HTMLDetailsElement);
  details.hidden = problems.length === 0;
  setText(details.querySelector("summary")!, `${plural(problems.length, "result")} cannot be shown`);
  const list = details.querySelector("ul")!;
  // Enough to see what is wrong.
  for (const problem of problems.slice(list.childElementCount, 50)) list.append(el("li", {}, readable(problem)));
}

async function loadConfig(): Promise<ViewerConfig> {
  const config: unknown = await (await fetchOk("viewer.json")).json();
  if (!isRecord(config) || config["schema"] !== "clustseg.viewer/1" || !Array.isArray(config["runs"]))
    throw new Error("viewer.json is of another kind.");
  const runs = config["runs"].filter((run) => isRecord(run) && isText(run["name"]) && isText(run["files"]));
  return { schema: "clustseg.viewer/1", runs: runs.slice(0, 2) as ViewerRun[] };
}

byId("starting", HTMLElement).remove();
try {
  const { runs } = await loadConfig();
  await new Page(runs).load();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  document.body.append(el("p", { class: "message", role: "alert" }, `The results cannot be shown. ${message}`));
}
