/**
 * Call `draw` before each frame with what part of the way is done, 0 to 1; the last call is with 1. At once with 1, and only
 * so, for people who asked for less motion.
 *
 * @returns stops it, without a last call
 */
export function animate(ms: number, draw: (part: number) => void): () => void {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    draw(1);
    return () => {};
  }
  const began = performance.now();
  let frame = requestAnimationFrame(function next(now) {
    const part = Math.min(1, Math.max(0, (now - began) / ms));
    draw(eased(part));
    if (part < 1) frame = requestAnimationFrame(next);
  });
  return () => cancelAnimationFrame(frame);
}

/** Slow, fast, slow. */
function eased(part: number): number {
  return part * part * (3 - 2 * part);
}
