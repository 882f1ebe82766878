import { clamp, fractal, hash, mix, random, scale, smooth, step } from "./noise.mjs";

/** Stained tissue under a microscope: pink cells packed together, purple nuclei, a vessel's white gap. RGB in [0, 1]. */
export function cells(width, height) {
  const chance = random(23);
  const pitch = 44;
  const all = [];
  for (let row = -1; row * pitch * 0.86 < height + pitch; row++) {
    for (let column = -1; column * pitch < width + pitch; column++) {
      all.push({
        x: (column + (row % 2 ? 0.5 : 0) + (chance() - 0.5) * 0.62) * pitch,
        y: (row * 0.86 + (chance() - 0.5) * 0.6) * pitch,
        radius: 7.5 + chance() * 5.5,
        stretch: 0.62 + chance() * 0.38,
        turn: chance() * Math.PI,
        tint: chance(),
        dark: chance(),
        seed: Math.floor(chance() * 1e6),
      });
    }
  }

  return (x, y) => {
    const wx = x + 9 * (fractal(x / 26, y / 26, 2, 1) - 0.5);
    const wy = y + 9 * (fractal(x / 26, y / 26, 2, 2) - 0.5);
    let nearest;
    let first = Number.POSITIVE_INFINITY;
    let second = Number.POSITIVE_INFINITY;
    for (const cell of all) {
      const d = (wx - cell.x) ** 2 + (wy - cell.y) ** 2;
      if (d < first) {
        second = first;
        first = d;
        nearest = cell;
      } else if (d < second) second = d;
    }
    const wall = (Math.sqrt(second) - Math.sqrt(first)) / 2;
    let color = mix([0.92, 0.68, 0.78], [0.84, 0.52, 0.68], nearest.tint);
    color = scale(color, 0.93 + 0.16 * fractal(x / 7, y / 7, 3, 5));
    color = mix([0.97, 0.88, 0.91], color, step(0.4, 2.6, wall));
    const dx = wx - nearest.x;
    const dy = wy - nearest.y;
    const u = dx * Math.cos(nearest.turn) + dy * Math.sin(nearest.turn);
    const v = (-dx * Math.sin(nearest.turn) + dy * Math.cos(nearest.turn)) / nearest.stretch;
    const inside = nearest.radius - Math.hypot(u, v);
    const chromatin = fractal(x / 4, y / 4, 2, nearest.seed);
    const nucleus = scale(mix([0.47, 0.31, 0.62], [0.29, 0.18, 0.47], nearest.dark), 0.78 + 0.45 * chromatin);
    color = mix(color, scale(nucleus, inside < 2 ? 0.82 : 1), step(-0.6, 0.9, inside));
    // The gap: an oval without cells, with a darker lining.
    const gap = Math.hypot((x - 0.7 * width) / 1.5, y - 0.36 * height) - 62 - 26 * (smooth(x / 55, y / 55, 9) - 0.5);
    if (gap < 12) color = mix(scale([0.76, 0.42, 0.6], 0.9 + 0.2 * smooth(x / 5, y / 5, 10)), color, step(6, 12, gap));
    if (gap < 0) color = mix([0.96, 0.95, 0.95], color, step(-1.6, 0, gap));
    return color.map((value) => clamp(value + (hash(x, y, 77) - 0.5) * 0.035));
  };
}
