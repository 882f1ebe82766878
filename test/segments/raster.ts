/**
 * Rings filled as plainly as possible: for each pixel, the edges that a ray from its middle to the right crosses. Not from the very
 * middle: a cut from corner to corner may go through that.
 */
const middle = { x: 0.4931, y: 0.5273 };

interface Frame {
  readonly width: number;
  readonly height: number;
}
type Points = ArrayLike<number>;

/** A byte a pixel: 1 where the middle is inside an odd number of times. */
export function filledByOdd(rings: readonly Points[], frame: Frame): Uint8Array {
  return crossings(rings, frame, ({ up, down }) => (up + down) % 2);
}

/** A byte a pixel: 1 where the rings go around the middle, all in all. */
export function filledByWinding(rings: readonly Points[], frame: Frame): Uint8Array {
  return crossings(rings, frame, ({ up, down }) => (up === down ? 0 : 1));
}

function crossings(
  rings: readonly Points[],
  { width, height }: Frame,
  inside: (count: { up: number; down: number }) => number,
): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, pixel) => {
    const x = (pixel % width) + middle.x;
    const y = Math.floor(pixel / width) + middle.y;
    const count = { up: 0, down: 0 };
    for (const ring of rings) {
      for (let i = 0; i < ring.length; i += 2) {
        const [ax, ay] = [ring[i]!, ring[i + 1]!];
        const [bx, by] = [ring[(i + 2) % ring.length]!, ring[(i + 3) % ring.length]!];
        if (ay > y === by > y) continue;
        if (ax + ((y - ay) / (by - ay)) * (bx - ax) <= x) continue;
        if (by < ay) count.up++;
        else count.down++;
      }
    }
    return inside(count);
  });
}
