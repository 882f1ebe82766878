import type { Anchors } from "./anchors.js";
import type { Placement, Size } from "./view.js";

/** Write on segments, where there is room: what does not fit now fits when one comes nearer. */
export function drawWords(
  context: CanvasRenderingContext2D,
  pane: Size,
  place: Placement,
  labels: Size,
  anchors: Anchors,
  wordOf: (id: number) => string | undefined,
  density: number,
): void {
  const size = 12 * density;
  context.save();
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 3 * density;
  context.strokeStyle = "rgb(12 14 16 / 0.75)";
  context.fillStyle = "white";
  const scale = place.width / labels.width;
  for (let id = 1; id < anchors.at.length; id++) {
    const room = anchors.radius[id]! * scale;
    if (room < size * 0.6) continue;
    const pixel = anchors.at[id]!;
    const x = place.left + ((pixel % labels.width) + 0.5) * scale;
    const y = place.top + (Math.floor(pixel / labels.width) + 0.5) * scale;
    if (x < 0 || y < 0 || x > pane.width || y > pane.height) continue;
    const text = wordOf(id);
    // A word may stand out of the widest circle, as segments are mostly longer than that one way, but not far.
    if (text === undefined || context.measureText(text).width > room * 2 + 4 * size) continue;
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
  context.restore();
}
