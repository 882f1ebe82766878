import type { Segment } from "../data/result.js";
import { distinctColour, type Paint, shadeOf, word } from "./colours.js";

/** What a segment's colour tells: its class, that it is another than its neighbours, or how it looks in the image. */
export type Scheme = "class" | "segment" | "mean";

/** Those that this result can be drawn in, the best first. */
export function schemesOf({ segments }: { readonly segments: readonly Segment[] }): Scheme[] {
  const schemes: Scheme[] = [];
  if (segments.some(({ color }) => color !== undefined)) schemes.push("class");
  if (segments.some(({ meanColor }) => meanColor !== undefined)) schemes.push("mean");
  schemes.push("segment");
  return schemes;
}

export function defaultScheme(result: { readonly segments: readonly Segment[] }): Scheme {
  return schemesOf(result)[0]!;
}

/** The colour of each segment, by id - 1. Objects of one class are told apart by shades of its colour. */
export function coloursOf(segments: readonly Segment[], scheme: Scheme): Paint[] {
  const seen = new Map<number | undefined, number>();
  return segments.map(({ id, color, meanColor, isThing, categoryId }) => {
    if (scheme === "mean" && meanColor !== undefined) return meanColor;
    if (scheme !== "class" || color === undefined) return distinctColour(id - 1);
    if (!isThing || color === null) return color;
    const n = seen.get(categoryId) ?? 0;
    seen.set(categoryId, n + 1);
    return shadeOf(color, n);
  });
}

/** The same by id, as words of ImageData, opaque or 0; also for ids that the table does not have. */
export function colourWords(segments: readonly Segment[], scheme: Scheme, largest: number): Uint32Array {
  const words = new Uint32Array(largest + 1);
  const colours = coloursOf(segments, scheme);
  for (let id = 1; id <= largest; id++) {
    const colour = colours[id - 1];
    words[id] = colour === null ? 0 : word(colour ?? distinctColour(id - 1), 1);
  }
  return words;
}
