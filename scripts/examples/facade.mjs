import { fractal, hash, mix, scale } from "./noise.mjs";

/** A wall's colour at u metres along the street and v metres up: plaster or brick, rows of windows, a shop below. */
export function facade({ color, seed, floor, bay, brick }) {
  return ([, y, z], normal) => {
    if (Math.abs(normal[1]) > 0.5) return [0.4, 0.38, 0.37];
    const u = Math.abs(normal[0]) > 0.5 ? z : z + 1.7;
    const dirt = 0.86 + 0.2 * fractal(u / 3, y / 3, 4, seed);
    let wall = scale(color, dirt);
    if (brick) {
      const course = Math.floor(y / 0.16);
      const joint = Math.abs(y / 0.16 - course - 0.5) > 0.4;
      wall = joint
        ? mix(wall, [0.7, 0.66, 0.6], 0.35)
        : scale(wall, 0.85 + 0.3 * hash(course, Math.floor(u / 0.4), seed));
    }
    const column = Math.floor(u / bay);
    const du = u - column * bay;
    if (y < 3.5) {
      if (y > 2.75) return scale(mix([0.2, 0.24, 0.3], [0.55, 0.26, 0.2], hash(column >> 1, 5, seed)), dirt);
      if (du < 0.22) return scale(color, 0.7 * dirt);
      const door = hash(column, 6, seed) > 0.7;
      if (y < 0.55 && !door) return scale([0.34, 0.3, 0.27], dirt);
      if (du < 0.32 || Math.abs(y - 2.2) < 0.05 || Math.abs(du - bay / 2 - 0.1) < 0.04) return [0.24, 0.25, 0.25];
      if (door) return scale(mix([0.42, 0.25, 0.15], [0.16, 0.3, 0.3], hash(column, 7, seed)), dirt);
      // Behind the pane: shelves with goods, and the lamps of the shop.
      const shelf = [Math.floor(u * 3), Math.floor(y * 2.4)];
      const goods = [
        0.25 + 0.5 * hash(...shelf, seed),
        0.2 + 0.4 * hash(...shelf, seed + 1),
        0.2 + 0.3 * hash(...shelf, seed + 2),
      ];
      return mix(mix([0.2, 0.21, 0.22], goods, y < 1.7 ? 0.6 : 0.1), [0.95, 0.84, 0.62], y > 1.9 ? 0.3 : 0.1);
    }
    const row = Math.floor((y - 3.5) / floor);
    const dy = y - 3.5 - row * floor;
    const inset = (bay - 1.25) / 2;
    if (du > inset && du < bay - inset && dy > 0.85 && dy < floor - 0.35) {
      const frame = Math.min(du - inset, bay - inset - du, dy - 0.85, floor - 0.35 - dy);
      if (frame < 0.09 || Math.abs(du - bay / 2) < 0.045) return [0.87, 0.85, 0.82];
      const pane = hash(column, row, seed);
      const glass = mix([0.13, 0.16, 0.2], [0.48, 0.58, 0.68], 0.2 + 0.6 * fractal(u / 2, y / 2, 2, seed + 1));
      return pane > 0.72 && dy > 0.85 + (floor - 1.2) * (1 - pane) * 2 ? [0.8, 0.77, 0.7] : glass;
    }
    if (dy < 0.12 || (dy > 0.72 && dy < 0.85 && du > inset - 0.1 && du < bay - inset + 0.1)) return scale(color, 1.12);
    return wall;
  };
}
