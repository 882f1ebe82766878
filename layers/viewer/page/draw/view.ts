/** Where one looks: the same numbers for pictures of any size, so that two panes can share them. */
export interface View {
  /** 1 shows the whole picture. */
  readonly zoom: number;
  /** The place in the middle of the pane, in parts of the picture's width and height. */
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Where the picture lies on the pane, in the pane's pixels; it may be larger than the pane. */
export interface Placement extends Size {
  readonly left: number;
  readonly top: number;
}

export const wholeView: View = { zoom: 1, x: 0.5, y: 0.5 };

/** One pixel of a picture is never drawn larger than this, in the pane's pixels. */
const largestPixel = 40;

export function placementOf(view: View, pane: Size, frame: Size): Placement {
  const scale = fitScale(pane, frame) * view.zoom;
  const width = frame.width * scale;
  const height = frame.height * scale;
  return { left: pane.width / 2 - view.x * width, top: pane.height / 2 - view.y * height, width, height };
}

function fitScale(pane: Size, frame: Size): number {
  return Math.min(pane.width / frame.width, pane.height / frame.height);
}

/** Zoom so that the place under (x, y) of the pane stays there. */
export function zoomedAt(view: View, factor: number, at: { x: number; y: number }, pane: Size, frame: Size): View {
  const most = Math.max(1, largestPixel / fitScale(pane, frame));
  const zoom = Math.min(most, Math.max(1, view.zoom * factor));
  const before = placementOf(view, pane, frame);
  const u = (at.x - before.left) / before.width;
  const v = (at.y - before.top) / before.height;
  const after = placementOf({ ...view, zoom }, pane, frame);
  return clamped(
    { zoom, x: u - (at.x - pane.width / 2) / after.width, y: v - (at.y - pane.height / 2) / after.height },
    pane,
    frame,
  );
}

/** Move the picture by so many of the pane's pixels. */
export function movedBy(view: View, dx: number, dy: number, pane: Size, frame: Size): View {
  const { width, height } = placementOf(view, pane, frame);
  return clamped({ ...view, x: view.x - dx / width, y: view.y - dy / height }, pane, frame);
}

/** Move as little as brings this place (in parts of the picture) into the pane. */
export function showing(view: View, place: { x: number; y: number }, pane: Size, frame: Size): View {
  const { left, top, width, height } = placementOf(view, pane, frame);
  const margin = Math.min(pane.width, pane.height) / 8;
  const into = (at: number, room: number) => Math.min(room - margin, Math.max(margin, at)) - at;
  const dx = into(left + place.x * width, pane.width);
  const dy = into(top + place.y * height, pane.height);
  return view.zoom === 1 ? view : movedBy(view, dx, dy, pane, frame);
}

/** The picture covers the pane, or, where it is smaller, lies in its middle. */
function clamped(view: View, pane: Size, frame: Size): View {
  const { width, height } = placementOf(view, pane, frame);
  return { zoom: view.zoom, x: clampedPart(view.x, width, pane.width), y: clampedPart(view.y, height, pane.height) };
}

function clampedPart(part: number, size: number, room: number): number {
  if (size <= room) return 0.5;
  const half = room / 2 / size;
  return Math.min(1 - half, Math.max(half, part));
}
