import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type EstimateRequest, estimate } from "../../bin/cloud/estimate.js";
import { measureImages, Sample } from "../../bin/cloud/measure-images.js";
import { machineOf, rateOf, readPrices } from "../../bin/cloud/prices.js";
import { money } from "../../bin/jobs/estimate-run.js";
import { MemoryStore } from "../pipeline/memory-store.js";
import { inProcess, jsonLines, photo, photos, workspace } from "./cli.js";

const request: EstimateRequest = {
  images: 10_240,
  megapixels: 2,
  model: "clustseg-superpixel",
  formats: 0,
  compute: "gpu",
  machines: 1,
  spot: false,
};

describe("an estimate", () => {
  const prices = readPrices(
    JSON.stringify({
      machines: { "g4dn.xlarge": { on_demand_hour: 3.6, spot_hour: 0.36 } },
      startup_seconds: { gpu: 100 },
      puts_per_1000: 1,
      gets_per_1000: 0,
      lambda_gb_second: 0,
      transitions_per_1000: 0,
      logs_gb: 0,
      use: { puts_per_image: 2, puts_per_format: 1 },
      rates: [
        {
          model: "clustseg-superpixel",
          machine: "g4dn.xlarge",
          seconds_per_image: 0.01,
          seconds_per_megapixel: 0.02,
          basis: "measured",
          how: "in this test",
        },
      ],
    }),
  );

  it("is what one would work out by hand", () => {
    const made = estimate(prices, request);

    // 10,240 images of 0.01 + 2 x 0.02 s, and 100 s to start, at $0.001 a second.
    expect(made.seconds).toEqual({ startup: 100, machine: 612, wall: 612 });
    expect(made.dollars.machines).toBeCloseTo(0.612);
    expect(made.dollars.requests).toBeCloseTo(20.48);
    expect(made.dollars.total).toBeCloseTo(21.092);
    expect(made.rate).toMatchObject({ basis: "measured", how: "in this test" });
    expect(made.images_per_second).toBeCloseTo(20);
  });

  it("of several machines takes less time, of Spot ones less money, and of a person's own rate that", () => {
    const four = estimate(prices, { ...request, machines: 4, spot: true });
    const own = estimate(prices, { ...request, ownRate: 4 });

    expect(four.seconds.wall).toBeCloseTo(100 + 512 / 4);
    expect(four.dollars.machines).toBeCloseTo((512 + 400) * 0.0001);
    expect(own.seconds.wall).toBeCloseTo(100 + 10_240 / 2);
    expect(own.rate).toMatchObject({ basis: "measured", how: "by you (--rate)" });
  });

  it("never starts more machines than there are shards", () => {
    expect(estimate(prices, { ...request, images: 10, machines: 50 }).machines).toBe(1);
  });

  it("grows with images, megapixels and formats, whatever the table", () => {
    const amount = fc.integer({ min: 1, max: 1_000_000 });
    fc.assert(
      fc.property(amount, amount, fc.double({ min: 0.01, max: 100, noNaN: true }), fc.nat(5), (a, b, size, formats) => {
        const own = readPrices();
        const of = (images: number, megapixels: number, extra: number) =>
          estimate(own, { ...request, images, megapixels, formats: extra }).dollars.total;
        const [few, many] = [Math.min(a, b), Math.max(a, b)];
        expect(of(many, size, formats)).toBeGreaterThanOrEqual(of(few, size, formats));
        expect(of(few, size * 2, formats)).toBeGreaterThan(of(few, size, formats));
        expect(of(few, size, formats + 1)).toBeGreaterThan(of(few, size, formats));
      }),
    );
  });
});

describe("the table of prices", () => {
  it("is dated, and says of each rate whether it was measured, and how", () => {
    const { as_of, rates, machines } = readPrices();

    expect(as_of).toMatch(/^\d{4}-\d{2}/);
    for (const { how, basis } of rates) expect(`${basis} ${how}`).toMatch(/^(measured|assumed) \S/);
    for (const kind of ["gpu", "cpu", "fargate"])
      expect(machines[machineOf(readPrices(), kind, undefined)]?.kind).toBe(kind);
  });

  it("has a rate for any model on any machine, the closest first", () => {
    const prices = readPrices();

    expect(rateOf(prices, "clustseg-photo", "c7i.xlarge").model).toBe("clustseg-photo");
    expect(rateOf(prices, "my-own", "c7i.xlarge")).toMatchObject({ model: "*", machine: "c7i.xlarge" });
    expect(rateOf(prices, "my-own", "p5.48xlarge")).toMatchObject({ model: "*", machine: "*", basis: "assumed" });
  });

  it.each([
    ["a misspelt name", '{"put_per_1000": 1}', "put_per_1000"],
    ["a price below zero", '{"puts_per_1000": -1}', "puts_per_1000"],
    ["half a machine", '{"machines": {"mine": {"kind": "gpu"}}}', "on_demand_hour"],
    ["no JSON", "puts: 1", "JSON"],
  ])("refuses %s", (_, text, named) => {
    expect(() => readPrices(text, "ours.json")).toThrow(named);
    expect(() => readPrices(text, "ours.json")).toThrow("ours.json");
  });
});

describe("clustseg estimate", () => {
  it("measures a folder, without any cloud", async () => {
    const cwd = await workspace();
    await photos(join(cwd, "in"), "a.jpg", "b/c.jpg");
    await writeFile(join(cwd, "in/bad.jpg"), "no image");

    const people = await inProcess(cwd, "estimate", "in", "--compute", "gpu", "--spot");
    const json = await inProcess(cwd, "estimate", "in", "--compute", "gpu", "--json");

    expect(people.code).toBe(0);
    expect(people.stdout).toMatch(/^images +3, /);
    expect(people.stdout).toContain("1 x g4dn.xlarge, Spot".slice(4));
    expect(people.stdout).toContain("assumed: ");
    expect(jsonLines(json.stdout)[0]).toMatchObject({
      images: 3,
      sample: { looked: 2, megapixels: 0.001536, error: 0 },
    });
  });

  it("takes numbers in place of a source, and prices from a file", async () => {
    const cwd = await workspace();
    await writeFile(join(cwd, "ours.json"), JSON.stringify({ machines: { "g4dn.xlarge": { on_demand_hour: 0 } } }));
    const args = ["estimate", "--images", "1000000", "--megapixels", "2", "--compute", "gpu", "--json"];

    const own = jsonLines((await inProcess(cwd, ...args)).stdout)[0] as { dollars?: { machines: number } };
    const ours = jsonLines((await inProcess(cwd, ...args, "--prices", "ours.json")).stdout)[0];

    expect(own.dollars?.machines).toBeGreaterThan(1);
    expect(ours).toMatchObject({ images: 1_000_000, dollars: { machines: 0 } });
  });

  it.each([
    ["nothing", ["--compute", "gpu"], "no source"],
    ["images without a size", ["--images", "5", "--compute", "gpu"], "--megapixels"],
    ["an unknown kind", ["--images", "5", "--megapixels", "1", "--compute", "tpu"], "g4dn.xlarge"],
    ["a file of prices that is not there", ["--images", "5", "--prices", "no.json"], "--prices"],
  ])("refuses %s", async (_, args, hint) => {
    const { code, stderr } = await inProcess(await workspace(), "estimate", ...args);

    expect(code).toBe(2);
    expect(stderr).toContain(hint);
  });

  it("prints its table", async () => {
    const { stdout } = await inProcess(await workspace(), "estimate", "--table");

    expect(readPrices(stdout).machines).toEqual(readPrices().machines);
  });
});

describe("what is measured", () => {
  it("is a sample in which each image is as likely as any other", () => {
    const hits = new Array<number>(100).fill(0);
    for (let round = 0; round < 200; round++) {
      const sample = new Sample<number>(10);
      // Rounds differ by what came before.
      for (let i = 0; i < round; i++) sample.add(-1);
      for (let i = 0; i < 100; i++) sample.add(i);
      for (const value of sample.kept) if (value >= 0) hits[value]!++;
    }

    const [first, last] = [hits.slice(0, 50), hits.slice(50)].map((half) => half.reduce((a, b) => a + b, 0));
    expect(first! / last!).toBeGreaterThan(0.85);
    expect(first! / last!).toBeLessThan(1.15);
    expect(new Set(new Sample<number>(3).kept).size).toBe(0);
  });

  it("is read from headers, with the error of the mean, and without what is no image", async () => {
    const store = new MemoryStore();
    await store.put("a.jpg", await photo(0, 100, 100));
    await store.put("b.jpg", await photo(0, 300, 100));
    await store.put("c.jpg", new Uint8Array(9));

    const { looked, megapixels, error } = await measureImages(store, ["a.jpg", "b.jpg", "c.jpg", "gone.jpg"]);

    expect(looked).toBe(2);
    expect(megapixels).toBeCloseTo(0.02);
    expect(error).toBeCloseTo(0.01);
  });

  it("is told in dollars that can be read", () => {
    expect([0, 0.00042, 0.05, 0.1, 12.3, 1234.5].map(money)).toEqual([
      "$0",
      "$0.00042",
      "$0.05",
      "$0.10",
      "$12.30",
      "$1,235",
    ]);
  });
});
