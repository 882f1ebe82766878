/** What pointers do on a picture: one drags or points, two pinch, a wheel zooms. */
export interface PointerActions {
  move(dx: number, dy: number): void;
  /** Around a point of the window. */
  zoom(factor: number, clientX: number, clientY: number): void;
  point(clientX: number, clientY: number): void;
  leave(): void;
  /** A click or tap that was no drag. */
  pick(): void;
}

/** A pointer that has moved less than this, in points, has clicked. */
const still = 4;

export function followPointers(element: HTMLElement, actions: PointerActions): void {
  const down = new Map<number, { x: number; y: number }>();
  let moved = 0;

  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    if (down.size === 0) moved = 0;
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  element.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (before === undefined) return actions.point(event.clientX, event.clientY);
    const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
    moved += Math.hypot(dx, dy);
    const others = [...down].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    const other = others[0];
    if (other !== undefined) {
      const was = Math.hypot(before.x - other.x, before.y - other.y);
      const is = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      if (was > 0) actions.zoom(is / was, (event.clientX + other.x) / 2, (event.clientY + other.y) / 2);
      actions.move(dx / 2, dy / 2);
    } else if (moved > still) {
      actions.leave();
      actions.move(dx, dy);
    }
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  const up = (event: PointerEvent) => {
    if (!down.delete(event.pointerId) || down.size > 0) return;
    if (event.type === "pointercancel") return;
    actions.point(event.clientX, event.clientY);
    if (moved <= still) actions.pick();
  };
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("pointerleave", (event) => {
    if (!down.has(event.pointerId)) actions.leave();
  });
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      // A wheel's notch is 100 and more points, or 3 and more lines; a pinch on a touchpad comes as a wheel with Ctrl.
      const points = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * 33 : event.deltaY;
      actions.zoom(Math.exp(-points * (event.ctrlKey ? 0.01 : 0.002)), event.clientX, event.clientY);
    },
    { passive: false },
  );
}
