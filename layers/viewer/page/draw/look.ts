import { over, word } from "./colours.js";
import type { Look } from "./paint.js";

export interface LookOptions {
  readonly largest: number;
  /** Id -> colour, as words of ImageData, opaque or 0 for none; undefined paints no fill. */
  readonly colours: Uint32Array | undefined;
  /** Of the fill, 0..1. */
  readonly opacity: number;
  /** Of the outlines, 0..1. */
  readonly outlines: number;
  /** Width of the light and of the dark line, each, in pixels. */
  readonly line: number;
  /** Is a segment left out? @default none is */
  readonly hidden?: (id: number) => boolean;
}

const white = [255, 255, 255] as const;
const black = [12, 14, 16] as const;

/** A light line with a dark one beside it: one of the two is seen on any image. */
export function makeLook({ largest, colours, opacity, outlines, line, hidden }: LookOptions): Look {
  const shown = new Uint16Array(largest + 1);
  const fill = new Uint32Array(largest + 1);
  const light = new Uint32Array(largest + 1);
  const dark = new Uint32Array(largest + 1);
  const alpha = Math.round(opacity * 255) << 24;
  const lightLine = word(white, outlines * 0.92);
  const darkLine = word(black, outlines * 0.55);
  for (let id = 0; id <= largest; id++) {
    const isShown = id > 0 && !hidden?.(id);
    shown[id] = isShown ? id : 0;
    const colour = isShown ? (colours?.[id] ?? 0) : 0;
    fill[id] = colour === 0 ? 0 : ((colour & 0xffffff) | alpha) >>> 0;
    light[id] = over(lightLine, fill[id]!);
    dark[id] = over(darkLine, fill[id]!);
  }
  return { shown, fill, light, dark, line: outlines > 0 ? line : 0 };
}
