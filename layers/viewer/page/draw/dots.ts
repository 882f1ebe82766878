import type { Dot } from "../stage/scene.js";
import { cssOf } from "./colours.js";
import type { Placement, Size } from "./view.js";

/** Clusters as dots in their colour: a ring where each began, a line to where the middle of its pixels is. */
export function drawDots(
  context: CanvasRenderingContext2D,
  pane: Size,
  place: Placement,
  dots: readonly Dot[],
  density: number,
): void {
  // Of many clusters small dots, or they would hide what they stand for.
  const apart = Math.sqrt((place.width * place.height) / Math.max(1, dots.length));
  const radius = Math.min(6 * density, Math.max(1.5 * density, apart / 9));
  context.save();
  for (const { from, to, color } of dots) {
    const [x0, y0] = [place.left + from.x * place.width, place.top + from.y * place.height];
    const [x1, y1] = [place.left + to.x * place.width, place.top + to.y * place.height];
    if (Math.max(x0, x1) < 0 || Math.max(y0, y1) < 0) continue;
    if (Math.min(x0, x1) > pane.width || Math.min(y0, y1) > pane.height) continue;
    const fill = color === null ? "black" : cssOf(color);
    if (Math.hypot(x1 - x0, y1 - y0) > radius) {
      line(context, x0, y0, x1, y1, "rgb(12 14 16 / 0.6)", 3 * density);
      line(context, x0, y0, x1, y1, "white", density);
      disc(context, x0, y0, radius * 0.5, "white", density);
    }
    disc(context, x1, y1, radius, fill, density);
  }
  context.restore();
}

/** Dots on their way from one E-step to the next; those that were not there before come at once. */
export function dotsBetween(before: readonly Dot[], after: readonly Dot[], part: number): readonly Dot[] {
  if (part >= 1) return after;
  const known = new Map(before.map((dot) => [dot.cluster, dot.to]));
  return after.map((dot) => {
    const start = known.get(dot.cluster) ?? dot.to;
    const to = { x: start.x + (dot.to.x - start.x) * part, y: start.y + (dot.to.y - start.y) * part };
    return { ...dot, to };
  });
}

function line(
  context: CanvasRenderingContext2D,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  color: string,
  width: number,
): void {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
}

/** With a light ring and a dark one around it, so that it is seen on anything. */
function disc(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  radius: number,
  fill: string,
  density: number,
): void {
  for (const [more, color] of [
    [2, "rgb(12 14 16 / 0.7)"],
    [1, "white"],
    [0, fill],
  ] as const) {
    context.beginPath();
    context.arc(x, y, radius + more * density, 0, 2 * Math.PI);
    context.fillStyle = color;
    context.fill();
  }
}
