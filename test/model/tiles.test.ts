import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadBundle } from "../../layers/model/bundle.js";
import { chooseGrid } from "../../layers/model/grid.js";
import { type GraphRunner, openRunner } from "../../layers/model/runner.js";
import { segmentSuperpixels } from "../../layers/model/superpixels.js";
import { planTiles, runTiles, wholeCellSize } from "../../layers/model/tiles.js";
import { decoded, picture, sameBytes, scene, tinyBundle } from "./pictures.js";

const cells = { min: 4, max: 48, multiple: 4 };

describe("whole cells", () => {
  test.each([
    ["cells of 17.8 x 17.2 pixels become 16", { rows: 18, columns: 28 }, { width: 481, height: 321 }, 448, 288],
    [
      "cells of 300 pixels are shrunk to the largest",
      { rows: 10, columns: 20 },
      { width: 6000, height: 3000 },
      960,
      480,
    ],
    ["cells of 1 pixel are enlarged to the smallest", { rows: 10, columns: 10 }, { width: 10, height: 10 }, 40, 40],
  ])("%s", (_, grid, size, width, height) => {
    expect(wholeCellSize(grid, size, cells)).toEqual({ width, height });
  });
});

const tight = { max_pixels: 60_000, overlap_cells: 3, overlap_pixels: 0, align: 1 };

describe("planning tiles", () => {
  const grid = { rows: 30, columns: 45 };
  const size = { width: 45 * 16, height: 30 * 16 };

  test.each([1_000_000, 150_000, 60_000, 1])("at most %i pixels: cores cover the picture once", (maxPixels) => {
    const tiles = planTiles(grid, size, { ...tight, max_pixels: maxPixels });

    const covered = new Uint8Array(size.width * size.height);
    for (const { core, area, seeds } of tiles) {
      for (let y = core.y; y < core.y + core.height; y++) {
        for (let x = core.x; x < core.x + core.width; x++) covered[y * size.width + x]!++;
      }
      // Three cells beyond the core, or up to the picture's border.
      expect(area.x).toBe(Math.max(0, core.x - 48));
      expect(area.y).toBe(Math.max(0, core.y - 48));
      expect(area.x + area.width).toBe(Math.min(size.width, core.x + core.width + 48));
      expect(area.y + area.height).toBe(Math.min(size.height, core.y + core.height + 48));
      expect(area).toEqual({
        x: seeds.column * 16,
        y: seeds.row * 16,
        width: seeds.columns * 16,
        height: seeds.rows * 16,
      });
      if (maxPixels > 1) expect(area.width * area.height).toBeLessThanOrEqual(maxPixels);
    }
    expect(covered.every((times) => times === 1)).toBe(true);
    if (maxPixels === 1_000_000) expect(tiles).toHaveLength(1);
  });

  test("cells of 20 pixels: tiles overlap by 100 pixels at least and begin and end at multiples of 16", () => {
    const policy = { max_pixels: 250_000, overlap_cells: 3, overlap_pixels: 100, align: 16 };

    const tiles = planTiles({ rows: 40, columns: 60 }, { width: 1200, height: 800 }, policy);

    expect(tiles.length).toBeGreaterThan(3);
    for (const { core, area } of tiles) {
      expect([area.x % 16, area.y % 16]).toEqual([0, 0]);
      expect(area.x).toBeLessThanOrEqual(Math.max(0, core.x - 100));
      expect(area.y).toBeLessThanOrEqual(Math.max(0, core.y - 100));
      expect(area.x + area.width).toBeGreaterThanOrEqual(Math.min(1200, core.x + core.width + 100));
      expect((area.x + area.width) % 16).toBe(0);
      expect(area.width * area.height).toBeLessThanOrEqual(policy.max_pixels);
    }
  });
});

describe("seams do not show", () => {
  const width = 720;
  const height = 480;
  const grid = { rows: 30, columns: 45 };
  const rgb = scene(width, height, 3);
  const policy = tight;
  let runner: GraphRunner;
  beforeAll(async () => {
    runner = await openRunner(async () => (await loadBundle(tinyBundle)).graph);
  });
  afterAll(() => runner.close());

  test("labels are those of the untiled picture on at least 99 % of the pixels, ids included", async () => {
    const whole = await runTiles(runner, rgb, { width, height }, { grid, policy: { ...policy, max_pixels: 1e9 } });

    const tiled = await runTiles(runner, rgb, { width, height }, { grid, policy });

    let same = 0;
    for (let i = 0; i < whole.labels.length; i++) if (whole.labels[i] === tiled.labels[i]) same++;
    expect(same / whole.labels.length).toBeGreaterThanOrEqual(0.99);
  });

  test("superpixels do not end on seams more than beside them, and many cross", async () => {
    const { labels } = await runTiles(runner, rgb, { width, height }, { grid, policy });

    const seams = new Set(planTiles(grid, { width, height }, policy).map(({ core }) => core.x));
    seams.delete(0);
    /** Of the pixels left of column x, the part whose right neighbour has another label. */
    const ending = (x: number): number => {
      let count = 0;
      for (let y = 0; y < height; y++) if (labels[y * width + x - 1] !== labels[y * width + x]) count++;
      return count / height;
    };
    // Cell borders are where superpixels of plain areas end, so seams are compared with the other cell borders.
    const borders = Array.from({ length: 44 }, (_, i) => 16 * (i + 1));
    const mean = (columns: number[]): number => columns.map(ending).reduce((sum, e) => sum + e, 0) / columns.length;
    const onSeams = mean(borders.filter((x) => seams.has(x)));
    const elsewhere = mean(borders.filter((x) => !seams.has(x)));
    expect(seams.size).toBeGreaterThanOrEqual(2);
    expect(onSeams).toBeLessThan(elsewhere + 0.05);
    expect(onSeams).toBeLessThan(0.9);
  });

  test("segments of a tiled image: connected ids of the image's own size, the same whatever else runs", async () => {
    const { manifest } = await loadBundle(tinyBundle);
    const small = { ...manifest, input: { ...manifest.input, tile: policy } };
    const image = decoded(rgb, width, height);

    const one = await segmentSuperpixels(runner, small, image, { superpixels: 1250 });
    const [two, other] = await Promise.all([
      segmentSuperpixels(runner, small, image, { superpixels: 1250 }),
      segmentSuperpixels(runner, small, decoded(scene(width, height, 4), width, height), { superpixels: 1250 }),
    ]);

    expect(one.map).toMatchObject({ width, height });
    expect(one.map.segments).toBeGreaterThan(1000);
    expect(sameBytes(one.map.ids, two.map.ids)).toBe(true);
    expect(sameBytes(one.map.ids, other.map.ids)).toBe(false);
  });

  test("an image whose cells are far larger than the graph's is shrunk, and its ids enlarged again", async () => {
    const { manifest } = await loadBundle(tinyBundle);
    const [w, h] = [1800, 1200];
    const large = await picture(rgb, width, height).resize(w, h).raw().toBuffer();

    const { map } = await segmentSuperpixels(runner, manifest, decoded(large, w, h), { superpixels: 60 });

    expect(map).toMatchObject({ width: w, height: h });
    const { rows, columns } = chooseGrid(60, w, h);
    expect(map.segments).toBeGreaterThan(0.5 * rows * columns);
    expect(map.segments).toBeLessThan(3 * rows * columns);
    expect(new Set(map.ids).size).toBe(map.segments);
  });

  test("a long, thin image in tiles, its cells enlarged: every pixel has a segment", async () => {
    const { manifest } = await loadBundle(tinyBundle);
    const tiny = { ...manifest, input: { ...manifest.input, tile: { ...tight, max_pixels: 3000 } } };

    const { map } = await segmentSuperpixels(runner, tiny, decoded(scene(1, 5000), 1, 5000), { superpixels: 300 });

    expect(map).toMatchObject({ width: 1, height: 5000 });
    expect(map.ids.every((id) => id > 0)).toBe(true);
  });
});
