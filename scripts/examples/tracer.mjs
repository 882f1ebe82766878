import { hash } from "./noise.mjs";

// Shapes a ray can meet. Each is a function (origin, direction, best) -> a hit nearer than `best`, or undefined.
// `look(point, normal)` gives a surface's colour.

const at = (origin, direction, t) => [
  origin[0] + direction[0] * t,
  origin[1] + direction[1] * t,
  origin[2] + direction[2] * t,
];
const tiny = 1e-4;

/** The ground, y = 0. */
export const plane = (look) => (origin, direction, best) => {
  const t = -origin[1] / direction[1];
  if (!(t > tiny && t < best)) return undefined;
  return { distance: t, point: at(origin, direction, t), normal: [0, 1, 0], look };
};

/** A box between two corners (slab method). */
export const box = (low, high, look) => (origin, direction, best) => {
  let near = -Infinity;
  let far = Infinity;
  let axis = 0;
  for (let i = 0; i < 3; i++) {
    const a = (low[i] - origin[i]) / direction[i];
    const b = (high[i] - origin[i]) / direction[i];
    if (Math.min(a, b) > near) {
      near = Math.min(a, b);
      axis = i;
    }
    far = Math.min(far, Math.max(a, b));
  }
  if (near > far || near < tiny || near >= best) return undefined;
  const normal = [0, 0, 0];
  normal[axis] = -Math.sign(direction[axis]);
  return { distance: near, point: at(origin, direction, near), normal, look };
};

/** Distance along the ray to a sphere, Infinity if it misses, 0 if it starts inside. */
function reach(center, radius, origin, direction) {
  const [x, y, z] = [origin[0] - center[0], origin[1] - center[1], origin[2] - center[2]];
  const c = x * x + y * y + z * z - radius * radius;
  if (c < 0) return 0;
  const b = x * direction[0] + y * direction[1] + z * direction[2];
  const root = b * b - c;
  return root < 0 || b > 0 ? Infinity : -b - Math.sqrt(root);
}

export const sphere = (center, radius, look) => (origin, direction, best) => {
  const t = reach(center, radius, origin, direction);
  if (!(t > tiny && t < best)) return undefined;
  const point = at(origin, direction, t);
  return { distance: t, point, normal: point.map((value, i) => (value - center[i]) / radius), look };
};

/** A ball of foliage: its surface has holes, and each leaf faces a way of its own. */
export const leaves = (center, radius, look) => {
  const skin = sphere(center, radius, look);
  return (origin, direction, best) => {
    const hit = skin(origin, direction, best);
    if (!hit) return undefined;
    const [x, y, z] = hit.point.map((value) => Math.floor(value * 13));
    if (hash(x + 31 * z, y, 17) < 0.42) return undefined;
    const tilt = [18, 19, 20].map((seed) => (hash(x + 31 * z, y, seed) - 0.5) * 1.3);
    return { ...hit, normal: hit.normal.map((value, i) => value * 0.7 + tilt[i]) };
  };
};

/** Nearest way into a circle of the plane (u, v), in units of the ray. */
function circle(u, v, du, dv, radius) {
  const a = du * du + dv * dv;
  const b = u * du + v * dv;
  const root = b * b - a * (u * u + v * v - radius * radius);
  return root < 0 ? Infinity : (-b - Math.sqrt(root)) / a;
}

/** An upright pole from y0 to y1. */
export const cylinder = (x, z, radius, y0, y1, look) => (origin, direction, best) => {
  const t = circle(origin[0] - x, origin[2] - z, direction[0], direction[2], radius);
  if (!(t > tiny && t < best)) return undefined;
  const point = at(origin, direction, t);
  if (point[1] < y0 || point[1] > y1) return undefined;
  return { distance: t, point, normal: [(point[0] - x) / radius, 0, (point[2] - z) / radius], look };
};

/** A wheel whose axle lies along x: a tread, two flat sides, a hub of another colour. */
export const wheel = (center, radius, half, look, hub) => (origin, direction, best) => {
  const [x, y, z] = center;
  const side = (x - Math.sign(direction[0]) * half - origin[0]) / direction[0];
  const flat = at(origin, direction, side);
  const off = Math.hypot(flat[1] - y, flat[2] - z);
  if (side > tiny && side < best && off < radius) {
    const spokes = off < radius * 0.6 ? () => hub : look;
    return { distance: side, point: flat, normal: [-Math.sign(direction[0]), 0, 0], look: spokes };
  }
  const t = circle(origin[1] - y, origin[2] - z, direction[1], direction[2], radius);
  if (!(t > tiny && t < best)) return undefined;
  const point = at(origin, direction, t);
  if (Math.abs(point[0] - x) > half) return undefined;
  return { distance: t, point, normal: [0, (point[1] - y) / radius, (point[2] - z) / radius], look };
};

/** Several shapes inside one ball: a ray that misses the ball asks none of them. */
export const group = (center, radius, shapes) => (origin, direction, best) =>
  reach(center, radius, origin, direction) < best ? nearest(shapes, origin, direction, best) : undefined;

/** The first thing a ray meets within `best`, or undefined. */
export function nearest(shapes, origin, direction, best) {
  let found;
  let limit = best;
  for (const shape of shapes) {
    const hit = shape(origin, direction, limit);
    if (hit) {
      found = hit;
      limit = hit.distance;
    }
  }
  return found;
}
