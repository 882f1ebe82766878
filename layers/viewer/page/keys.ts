import { byId, el } from "./dom.js";

export type Where = "gallery" | "image";

/** A key and what it does; the table is what the help shows. */
export interface Binding {
  /** As KeyboardEvent.key has them. */
  readonly keys: readonly string[];
  readonly shift?: boolean;
  readonly where: Where | "both";
  /** As the help has them. */
  readonly shown: readonly string[];
  readonly text: string;
  run(event: KeyboardEvent): void;
}

const storageName = "clustseg-single-keys";

/**
 * Listen for keys. Those of a field or a slider stay with it. Single characters can be switched off in the help (WCAG 2.1.4),
 * as people who talk to their computer type them by saying words.
 */
export function listenForKeys(bindings: readonly Binding[], where: () => Where): void {
  const help = byId("help", HTMLDialogElement);
  const single = byId("single-keys", HTMLInputElement);
  single.checked = stored() !== "off";
  single.addEventListener("change", () => store(single.checked ? "on" : "off"));
  byId("help-keys", HTMLElement).append(...tables(bindings));
  byId("help-button", HTMLButtonElement).addEventListener("click", () => help.showModal());

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || help.open) return;
    if (event.key.length === 1 && event.key !== "?" && !single.checked) return;
    const binding = bindings.find(
      (one) =>
        one.keys.includes(event.key) &&
        (one.where === "both" || one.where === where()) &&
        (one.shift === undefined ? event.key.length === 1 || !event.shiftKey : one.shift === event.shiftKey),
    );
    if (binding === undefined || isTyped(event)) return;
    event.preventDefault();
    binding.run(event);
  });
}

/** Does the key mean something where the focus is? */
function isTyped({ key, target }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement) || key === "Escape") return false;
  if (target instanceof HTMLInputElement) {
    if (target.type === "search") return true;
    if (target.type === "range" || target.type === "radio") return /^(Arrow|Home|End|Page)/.test(key) || key === " ";
    return key === " ";
  }
  return (target instanceof HTMLButtonElement || target.tagName === "SUMMARY") && (key === " " || key === "Enter");
}

function tables(bindings: readonly Binding[]): HTMLElement[] {
  const titles = { image: "One image", gallery: "All images", both: "Everywhere" } as const;
  return (Object.keys(titles) as (keyof typeof titles)[]).map((where) => {
    const rows = bindings
      .filter((one) => one.where === where)
      .flatMap(({ shown, text }) => [el("dt", {}, ...shown.map((key) => el("kbd", {}, key))), el("dd", {}, text)]);
    return el("section", {}, el("h3", {}, titles[where]), el("dl", {}, ...rows));
  });
}

// Storage may be forbidden; then a choice lasts as long as the page.
function stored(): string | null {
  try {
    return localStorage.getItem(storageName);
  } catch {
    return null;
  }
}

function store(value: string): void {
  try {
    localStorage.setItem(storageName, value);
  } catch {}
}
