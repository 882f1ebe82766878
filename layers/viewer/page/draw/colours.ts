/** Red, green, blue, 0..255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** Lightness 0..1, chroma (0 is grey, .37 the most), hue in degrees. */
export interface Oklch {
  readonly l: number;
  readonly c: number;
  readonly h: number;
}

/** Björn Ottosson's OKLab (2020) in polar form: equal steps in it look equal. https://bottosson.github.io/posts/oklab/ */
export function toOklch([red, green, blue]: Rgb): Oklch {
  const [r, g, b] = [linear(red), linear(green), linear(blue)];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  const a = 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s;
  const bb = 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s;
  const h = (Math.atan2(bb, a) * 180) / Math.PI;
  return { l: 0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, c: Math.hypot(a, bb), h: (h + 360) % 360 };
}

/** Colours that a screen cannot show are made greyer until it can. */
export function toRgb({ l, c, h }: Oklch): Rgb {
  for (let chroma = c; ; chroma = chroma < 0.004 ? 0 : chroma * 0.94) {
    const rgb = unclamped(l, chroma, h);
    if (chroma === 0 || rgb.every((value) => value > -0.002 && value < 1.002)) {
      const [red, green, blue] = rgb.map(encoded) as [number, number, number];
      return [red, green, blue];
    }
  }
}

function unclamped(lightness: number, c: number, h: number): number[] {
  const a = c * Math.cos((h * Math.PI) / 180);
  const b = c * Math.sin((h * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

function linear(value: number): number {
  const v = value / 255;
  return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
}

function encoded(value: number): number {
  const v = Math.min(1, Math.max(0, value));
  return Math.round(255 * (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055));
}

const goldenAngle = 137.508;

/** A colour for number `n`, far from those of the numbers next to it. */
export function distinctColour(n: number): Rgb {
  const ring = n % 3;
  return toRgb({ l: [0.74, 0.62, 0.82][ring]!, c: [0.12, 0.13, 0.09][ring]!, h: (n * goldenAngle + 40) % 360 });
}

/** Degrees of hue and parts of lightness by which the objects of one class differ, in turn. */
const shifts: readonly (readonly [hue: number, lightness: number])[] = [
  [0, 0],
  [26, 0.08],
  [-26, -0.06],
  [13, -0.1],
  [-13, 0.12],
  [38, 0.02],
  [-38, 0.04],
];

/** The colour of the n-th object of a class: still that of the class, but not that of the object beside it. */
export function shadeOf(color: Rgb, n: number): Rgb {
  const [hue, lightness] = shifts[n % shifts.length]!;
  if (hue === 0) return color;
  const { l, c, h } = toOklch(color);
  return toRgb({ l: Math.min(0.95, Math.max(0.25, l + lightness)), c, h: h + hue });
}

/** What something is drawn in; null is nothing at all. */
export type Paint = Rgb | null;

/** A class's colour that is darker than this is made lighter, by most of the way. */
const darkest = 0.6;

/**
 * What a class is drawn in. Over a photograph, dark colours (VOC's palette begins with them) would but dim it: they are made
 * lighter, with their hue, in their order. Black is what palettes have for the background, and is not drawn.
 */
export function paintOf(color: Rgb): Paint {
  const { l, c, h } = toOklch(color);
  if (l < 0.05) return null;
  if (l >= darkest) return color;
  const lighter = darkest - (darkest - l) * 0.3;
  return toRgb({ l: lighter, c: Math.min(0.17, (c * lighter) / l), h });
}

/** As style sheets have it. */
export function cssOf(paint: Paint): string {
  return paint === null ? "transparent" : `rgb(${paint.join(" ")})`;
}

/** A word of ImageData. @param alpha 0..1 */
export function word([red, green, blue]: Rgb, alpha: number): number {
  return ((Math.round(alpha * 255) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** `top` laid over `bottom`, both words of ImageData. */
export function over(top: number, bottom: number): number {
  const a = (top >>> 24) / 255;
  const b = ((bottom >>> 24) / 255) * (1 - a);
  const alpha = a + b;
  if (alpha === 0) return 0;
  const mix = (shift: number) => Math.round((((top >>> shift) & 255) * a + ((bottom >>> shift) & 255) * b) / alpha);
  return word([mix(0), mix(8), mix(16)], alpha);
}
