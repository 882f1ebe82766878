import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadBundle } from "../../layers/model/bundle.js";
import { findBundle } from "../../layers/model/find-bundle.js";
import { type GraphRunner, openRunner } from "../../layers/model/runner.js";
import { segmentSuperpixels } from "../../layers/model/superpixels.js";
import { runTiles } from "../../layers/model/tiles.js";
import { decoded, scene } from "./pictures.js";

const { manifest } = await loadBundle(await findBundle());
const tile = manifest.input.tile!;

describe("the bundle that ships", () => {
  let runner: GraphRunner;
  beforeAll(async () => {
    runner = await openRunner(async () => (await loadBundle(await findBundle())).graph);
  });
  afterAll(() => runner.close());

  test.each([
    [1, 1],
    [3, 2],
    [1, 5000],
    [5000, 1],
  ])("runs on %i x %i", async (width, height) => {
    const { map } = await segmentSuperpixels(runner, manifest, decoded(scene(width, height), width, height), {});

    expect(map).toMatchObject({ width, height });
    expect(map.ids.every((id) => id > 0)).toBe(true);
  });

  // Its margin must be as wide as the graph looks, which `input.tile` of its model.json has to say.
  test.skipIf(tile.overlap_pixels === 0)("seams do not show with the margin that its model.json asks for", async () => {
    const [width, height] = [1280, 640];
    const grid = { rows: 32, columns: 64 };
    const rgb = scene(width, height, 5);
    const whole = await runTiles(runner, rgb, { width, height }, { grid, policy: { ...tile, max_pixels: 1e9 } });

    const tiled = await runTiles(runner, rgb, { width, height }, { grid, policy: { ...tile, max_pixels: 400_000 } });

    let same = 0;
    for (let i = 0; i < whole.labels.length; i++) if (whole.labels[i] === tiled.labels[i]) same++;
    expect(same / whole.labels.length).toBeGreaterThanOrEqual(0.99);
  });
});
