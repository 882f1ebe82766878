import CliTable from "cli-table3";
import { printable } from "./io.js";

const longestCell = 60;

/** A table without colours; columns in `right` (by index) are aligned to the right. Cells are made printable and not too long. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const made = new CliTable({
    head: [...head],
    colAligns: head.map((_, column) => (right.includes(column) ? "right" : "left")),
    style: { head: [], border: [], compact: true },
    chars: bare,
  });
  // A cell's own line breaks are wanted ("a\nb" of two metrics), those of a name were made printable before.
  for (const row of rows) made.push(row.map((cell) => cell.split("\n").map(clipped).join("\n")));
  return made
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** No frame, a rule below the head: it can be read, and cut with other tools. */
const bare = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: " ",
};

/** The middle of a long name goes: its beginning and its extension tell most. */
function clipped(text: string): string {
  const characters = [...printable(text)];
  if (characters.length <= longestCell) return characters.join("");
  const kept = (longestCell - 1) / 2;
  return [...characters.slice(0, Math.ceil(kept)), "…", ...characters.slice(-Math.floor(kept))].join("");
}
