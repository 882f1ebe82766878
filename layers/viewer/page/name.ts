import { el } from "./dom.js";
import { readable } from "./words.js";

/** An image's name, its folders quieter than the rest. */
export function nameOf(key: string): (Node | string)[] {
  const slash = key.lastIndexOf("/") + 1;
  const folder = slash === 0 ? [] : [el("span", { class: "folder" }, readable(key.slice(0, slash)))];
  return [...folder, readable(key.slice(slash))];
}
