import { clamp, fractal, hash, mix, random, scale, smooth, step } from "./noise.mjs";

const crops = [
  [0.36, 0.45, 0.2],
  [0.47, 0.53, 0.25],
  [0.72, 0.65, 0.36],
  [0.8, 0.74, 0.47],
  [0.52, 0.4, 0.29],
  [0.6, 0.48, 0.36],
  [0.26, 0.38, 0.18],
  [0.66, 0.68, 0.34],
];

/** Fields, a river, woods, a road and a village, seen from straight above. RGB in [0, 1] for a pixel of the picture. */
export function fields(width, height) {
  const chance = random(7);
  const houses = Array.from({ length: 46 }, () => {
    const along = chance() * 2 - 1;
    return {
      x: 0.66 * width + along * 95 + (chance() - 0.5) * 60,
      y: 0.3 * height + along * 38 + (chance() - 0.5) * 76,
      w: 4 + chance() * 5,
      h: 3 + chance() * 3,
      turn: 0.38 + (chance() < 0.5 ? 0 : Math.PI / 2),
      roof: mix([0.62, 0.3, 0.22], [0.5, 0.47, 0.45], chance() < 0.7 ? chance() * 0.4 : 1),
    };
  });

  /** The field a point lies in: strips of a rotated lattice whose lines are shifted by chance. Also how far its hedge is. */
  function fieldAt(x, y) {
    const region = smooth(x / 420, y / 420, 3) > 0.5 ? 0.42 : -0.16;
    const u = x * Math.cos(region) + y * Math.sin(region) + 8 * smooth(x / 130, y / 130, 5);
    const v = -x * Math.sin(region) + y * Math.cos(region) + 8 * smooth(x / 130, y / 130, 6);
    const row = Math.floor(v / 92 + 0.35 * smooth(u / 300, 0, 8));
    const inRow = v / 92 + 0.35 * smooth(u / 300, 0, 8) - row;
    const size = 48 + 95 * hash(row, 1, 9);
    const column = Math.floor(u / size + hash(row, 2, 9));
    const inColumn = u / size + hash(row, 2, 9) - column;
    const edge = Math.min(Math.min(inRow, 1 - inRow) * 92, Math.min(inColumn, 1 - inColumn) * size);
    return { id: hash(row, column, region > 0 ? 11 : 12), u, v, edge };
  }

  function ground(x, y) {
    const { id, u, v, edge } = fieldAt(x, y);
    const crop = crops[Math.floor(id * crops.length)];
    const turned = hash(Math.floor(id * 4096), 3) > 0.5;
    const rows = Math.sin((turned ? u : v) * (0.7 + 0.5 * id)) * 0.035;
    const patches = (fractal(x / 60, y / 60, 3, 21) - 0.5) * 0.16;
    let color = scale(crop, 1 + rows + patches);
    // Hedges stand on some of the borders only.
    const hedge = edge < 2.6 + 1.6 * smooth(x / 9, y / 9, 31) && smooth(x / 170, y / 170, 33) > 0.42;
    if (hedge) color = scale([0.17, 0.25, 0.12], 0.75 + 0.5 * smooth(x / 3, y / 3, 32));
    else if (edge < 1.4) color = mix(color, [0.74, 0.7, 0.56], 0.5);
    const wood = fractal(x / 150, y / 150, 4, 41) + 0.1 * fractal(x / 14, y / 14, 2, 42);
    if (wood > 0.68) {
      const crown = fractal(x / 6, y / 6, 2, 43);
      const lit = crown - fractal((x - 2) / 6, (y - 2) / 6, 2, 43);
      color = scale([0.16, 0.27, 0.13], 0.7 + 0.75 * crown + 1.4 * lit);
    }
    return color;
  }

  return (x, y) => {
    let color = ground(x, y);
    const road = Math.abs(y - (0.06 * height + 0.385 * x + 14 * Math.sin(x / 120)));
    const lane = Math.abs(x - (0.69 * width - 0.2 * y + 10 * Math.sin(y / 70)));
    if (road < 3.2) color = scale([0.62, 0.6, 0.58], 0.92 + 0.14 * hash(x, y, 51));
    else if (lane < 1.9) color = [0.75, 0.7, 0.6];
    for (const house of houses) {
      const turned = (dx, dy) => [
        dx * Math.cos(house.turn) + dy * Math.sin(house.turn),
        -dx * Math.sin(house.turn) + dy * Math.cos(house.turn),
      ];
      const [u, v] = turned(x - house.x, y - house.y);
      const [su, sv] = turned(x - house.x - 3, y - house.y - 3);
      if (Math.abs(u) < house.w && Math.abs(v) < house.h) color = scale(house.roof, v > 0 ? 0.8 : 1.15);
      else if (Math.abs(su) < house.w && Math.abs(sv) < house.h) color = scale(color, 0.5);
    }
    const bend = 0.27 * width + 0.12 * width * Math.sin(y / 105 + 0.6) + 40 * Math.sin(y / 47) + 0.1 * y;
    const half = 13 + 6 * smooth(y / 60, 1, 61);
    const off = Math.abs(x - bend + 5 * (fractal(x / 25, y / 25, 2, 62) - 0.5));
    if (off < half + 15)
      color = mix([0.2, 0.32, 0.15], color, step(half + 9, half + 15, off + 8 * smooth(x / 7, y / 7, 63)));
    if (off < half + 3) color = mix([0.76, 0.7, 0.56], color, step(half + 2, half + 3, off));
    if (off < half)
      color = scale(
        mix([0.15, 0.29, 0.33], [0.33, 0.43, 0.4], step(half * 0.4, half, off)),
        0.95 + 0.1 * smooth(x / 5, y / 12, 64),
      );
    const cloud = step(0.6, 0.75, fractal(x / 230 + 5, y / 190, 4, 71)) * 0.2;
    return scale(color, 1 - cloud).map((value) => clamp(value * 0.96 + 0.03 + (hash(x, y, 81) - 0.5) * 0.04));
  };
}
