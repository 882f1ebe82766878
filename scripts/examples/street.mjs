import { facade } from "./facade.mjs";
import { clamp, fractal, hash, mix, random, scale, step } from "./noise.mjs";
import { box, cylinder, group, leaves, nearest, plane, sphere, wheel } from "./tracer.mjs";

const sun = unit([-0.3, 0.72, -0.5]);

function unit(v) {
  const length = Math.hypot(...v);
  return v.map((value) => value / length);
}

function sky(direction) {
  const up = clamp(direction[1]);
  const base = mix([0.86, 0.89, 0.92], [0.33, 0.53, 0.82], Math.sqrt(up));
  const [u, v] = [direction[0] / (up + 0.18), direction[2] / (up + 0.18)];
  const cloud = step(0.5, 0.78, fractal(u * 1.1 + 3, v * 0.9, 5, 4));
  return mix(base, [0.97, 0.96, 0.95], cloud * 0.85 * step(0.02, 0.2, up));
}

function ground([x, , z]) {
  const grain = 0.9 + 0.2 * fractal(x * 6, z * 6, 3, 12);
  const side = Math.abs(x);
  if (side > 4.6) {
    const slab = Math.min(((x % 0.9) + 0.9) % 0.9, ((z % 0.9) + 0.9) % 0.9) < 0.035;
    return scale(slab ? [0.46, 0.45, 0.43] : [0.66, 0.64, 0.6], grain);
  }
  if (side > 4.35) return scale([0.74, 0.73, 0.7], grain);
  const worn = 0.35 * fractal(x * 2, z * 2, 3, 13);
  if (z > 8.6 && z < 11.6 && (x + 40) % 1 < 0.52) return scale(mix([0.9, 0.9, 0.88], [0.4, 0.4, 0.4], worn), grain);
  if (Math.abs(x) < 0.075 && z > 12.6 && z % 4.2 < 2.3)
    return scale(mix([0.9, 0.88, 0.8], [0.4, 0.4, 0.4], worn), grain);
  return scale([0.3, 0.3, 0.31], grain * (0.82 + 0.36 * fractal(x / 2.5, z / 6, 3, 14)));
}

function car(x, z, color, length = 4.2) {
  const paint = ([, y], normal) => (y < 0.42 ? [0.12, 0.12, 0.13] : scale(color, normal[1] > 0.5 ? 1.12 : 0.95));
  const end =
    (at) =>
    ([px, y, pz], normal) => {
      const lights = Math.abs(normal[2]) > 0.5 && Math.abs(px - x) > 0.52 && y > 0.6 && y < 0.82;
      if (lights) return at;
      if (Math.abs(normal[2]) > 0.5 && Math.abs(px - x) < 0.3 && y > 0.42 && y < 0.55) return [0.9, 0.89, 0.83];
      return paint([px, y, pz], normal);
    };
  const cabin = ([px, y, pz], normal) => {
    if (normal[1] > 0.5) return scale(color, 1.15);
    const pillar =
      Math.abs(normal[0]) > 0.5
        ? Math.abs(pz - z - 0.1) < 0.06 || Math.abs(pz - z) > length * 0.235
        : Math.abs(px - x) > 0.66;
    return pillar || y > 1.42
      ? color
      : mix([0.1, 0.12, 0.15], [0.55, 0.63, 0.7], 0.25 + 0.5 * fractal(px * 2, y * 2 + pz, 2, 15));
  };
  const tyre = () => [0.06, 0.06, 0.065];
  const parts = [
    box(
      [x - 0.86, 0.28, z - length / 2],
      [x + 0.86, 0.92, z + length / 2],
      end(x > 0 ? [0.75, 0.08, 0.06] : [0.97, 0.96, 0.85]),
    ),
    box([x - 0.82, 0.9, z - length / 2 + 0.25], [x + 0.82, 0.98, z + length / 2 - 0.2], paint),
    box([x - 0.72, 0.98, z - length * 0.27], [x + 0.72, 1.5, z + length * 0.25], cabin),
  ];
  for (const dz of [-length * 0.32, length * 0.32]) {
    for (const dx of [-0.8, 0.8]) parts.push(wheel([x + dx, 0.33, z + dz], 0.33, 0.12, tyre, [0.55, 0.55, 0.57]));
  }
  return group([x, 0.7, z], length / 2 + 0.6, parts);
}

function tree(x, z, height, chance) {
  const seed = Math.floor(chance() * 1000);
  const leaf =
    (tint) =>
    ([px, py, pz]) =>
      scale(
        mix([0.2, 0.36, 0.11], [0.44, 0.53, 0.17], tint),
        0.55 + 0.8 * fractal((px + pz) * 5, (py - pz) * 5, 3, seed),
      );
  const bark = ([px, py, pz]) => scale([0.36, 0.28, 0.2], 0.7 + 0.6 * fractal(px * 9 + pz * 9, py * 2, 2, seed));
  const crown = Array.from({ length: 150 }, () => {
    const [a, b, r] = [chance() * 2 * Math.PI, Math.acos(2 * chance() - 1), 1.75 * Math.sqrt(chance())];
    const at = [x + r * Math.sin(b) * Math.cos(a), height + 1.15 * r * Math.cos(b), z + r * Math.sin(b) * Math.sin(a)];
    return leaves(at, 0.3 + 0.3 * chance(), leaf(chance()));
  });
  return [group([x, height, z], 2.9, crown), cylinder(x, z, 0.15, 0, height, bark)];
}

function walker(x, z, coat, trousers) {
  const skin = () => [0.72, 0.53, 0.42];
  return group([x, 0.9, z], 1.1, [
    cylinder(x - 0.1, z + 0.12, 0.085, 0, 0.85, () => trousers),
    cylinder(x + 0.1, z - 0.12, 0.085, 0, 0.85, () => trousers),
    cylinder(x - 0.25, z, 0.07, 0.8, 1.4, () => scale(coat, 0.9)),
    cylinder(x + 0.25, z, 0.07, 0.8, 1.4, () => scale(coat, 0.9)),
    cylinder(x, z, 0.2, 0.78, 1.42, ([px, py]) => scale(coat, 0.85 + 0.3 * fractal(px * 6, py * 4, 2, 16))),
    sphere([x, 1.4, z], 0.21, () => coat),
    sphere([x, 1.62, z], 0.125, skin),
    sphere([x, 1.66, z + 0.03], 0.128, () => [0.16, 0.11, 0.08]),
  ]);
}

function scene() {
  const chance = random(41);
  const things = [plane(ground)];
  const plasters = [
    [0.82, 0.72, 0.56],
    [0.68, 0.36, 0.28],
    [0.86, 0.82, 0.75],
    [0.62, 0.64, 0.66],
    [0.78, 0.58, 0.44],
    [0.56, 0.3, 0.25],
    [0.75, 0.76, 0.66],
  ];
  for (const side of [-1, 1]) {
    for (let z = -14, i = side > 0 ? 0 : 3; z < 130; i++) {
      const length = 8 + Math.floor(chance() * 3) * 2.6;
      const height = 3.5 + 3.1 * (2 + Math.floor(chance() * 3.4)) + 0.5;
      const near = side * (7.6 + chance() * 0.25);
      const look = facade({
        color: plasters[i % 7],
        seed: 100 + i * 7 + side,
        floor: 3.1,
        bay: 2.6,
        brick: i % 3 === 1,
      });
      things.push(
        box([Math.min(near, near + side * 9), 0, z], [Math.max(near, near + side * 9), height, z + length], look),
      );
      const eave = side * 7.3;
      things.push(
        box(
          [Math.min(eave, eave + side * 9), height, z],
          [Math.max(eave, eave + side * 9), height + 0.35, z + length],
          () => scale(plasters[i % 7], 0.8),
        ),
      );
      const cloth = [
        [0.7, 0.2, 0.17],
        [0.2, 0.4, 0.3],
        [0.82, 0.78, 0.7],
      ][i % 3];
      const stripes = ([, , pz]) => (i % 3 === 2 || (pz + 100) % 0.8 < 0.4 ? cloth : [0.9, 0.88, 0.84]);
      if (chance() < 0.6)
        things.push(
          box(
            [Math.min(near, near - side * 1.2), 2.72, z + 1],
            [Math.max(near, near - side * 1.2), 2.84, z + length - 1.5],
            stripes,
          ),
        );
      z += length;
    }
  }
  // Parked cars on the right, traffic on the left (towards us) and ahead.
  for (const [x, z, color] of [
    [3.3, 14.5, [0.62, 0.1, 0.09]],
    [3.35, 20, [0.75, 0.76, 0.77]],
    [3.3, 26.2, [0.12, 0.2, 0.36]],
    [3.3, 37, [0.2, 0.21, 0.22]],
    [-2.1, 17.5, [0.85, 0.83, 0.78]],
    [-1.9, 32, [0.24, 0.36, 0.3]],
    [1.6, 46, [0.8, 0.6, 0.1]],
    [-2, 60, [0.5, 0.1, 0.1]],
  ]) {
    things.push(car(x, z, color));
  }
  for (const [x, z, height] of [
    [-5.6, 13, 4.3],
    [-5.6, 23, 4.7],
    [-5.6, 34, 4.4],
    [-5.6, 46, 4.6],
    [5.6, 24, 4.5],
    [5.6, 36, 4.8],
    [5.6, 49, 4.4],
  ]) {
    things.push(...tree(x, z, height, chance));
  }
  for (const [x, z] of [
    [5.1, 16.5],
    [-5.1, 28],
    [5.1, 42],
  ]) {
    const iron = () => [0.15, 0.17, 0.16];
    things.push(
      group([x, 3, z], 3.4, [cylinder(x, z, 0.06, 0, 5.4, iron), sphere([x, 5.55, z], 0.2, () => [0.95, 0.93, 0.85])]),
    );
  }
  things.push(
    walker(-1.2, 10.2, [0.75, 0.62, 0.2], [0.17, 0.19, 0.28]),
    walker(5.9, 12.5, [0.25, 0.3, 0.42], [0.3, 0.28, 0.26]),
  );
  things.push(
    walker(6.2, 20, [0.55, 0.16, 0.2], [0.12, 0.12, 0.13]),
    walker(-6.2, 16.5, [0.3, 0.42, 0.33], [0.35, 0.33, 0.3]),
    walker(-6, 17.2, [0.8, 0.78, 0.75], [0.2, 0.22, 0.3]),
  );
  return things;
}

/** A street in the afternoon sun, traced ray by ray: houses, cars, trees, people, their shadows. RGB in [0, 1]. */
export function street(width, height) {
  const things = scene();
  const eye = [0.85, 1.72, 2.2];
  const samples = 3;

  function look(px, py) {
    const direction = unit([(px - width / 2) / (width * 0.8) - 0.035, -(py - height * 0.55) / (width * 0.8), 1]);
    const hit = nearest(things, eye, direction, 400);
    if (!hit) return sky(direction);
    const { point, normal, distance } = hit;
    const color = hit.look(point, normal);
    const from = point.map((value, i) => value + normal[i] * 0.004);
    const facing = normal[0] * sun[0] + normal[1] * sun[1] + normal[2] * sun[2];
    const lit = facing > 0 && !nearest(things, from, sun, 60) ? facing : 0;
    // Skylight comes from above; near the ground, and on faces that look down, there is less of it.
    const open = 0.36 + 0.2 * normal[1] + 0.1 * step(0, 1.2, point[1]);
    const light = [open * 0.93 + lit * 0.98, open * 1.0 + lit * 0.91, open * 1.12 + lit * 0.78];
    const haze = 1 - Math.exp(-distance / 260);
    return mix(
      color.map((value, i) => value * light[i]),
      [0.8, 0.85, 0.9],
      haze,
    );
  }

  return (x, y) => {
    const sum = [0, 0, 0];
    for (let i = 0; i < samples; i++) {
      for (let j = 0; j < samples; j++) {
        const color = look(x + (i + 0.5) / samples, y + (j + 0.5) / samples);
        for (let c = 0; c < 3; c++) sum[c] += Math.min(1.1, color[c]);
      }
    }
    const grain = (hash(x, y, 91) - 0.5) * 0.03;
    return sum.map((value) => clamp((value / samples ** 2) ** 0.88 + grain));
  };
}
