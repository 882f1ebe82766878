import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { submittedSource } from "../../functions/plan/submitted-source.js";
import type { Submit } from "../../layers/pipeline/cloud-contracts.js";
import { parseCsvLine } from "../../layers/pipeline/inventory.js";
import { KeySet } from "../../layers/pipeline/key-set.js";
import { selectItems } from "../../layers/pipeline/selection.js";
import { gather } from "../pipeline/fixtures.js";
import { Bucket } from "./bucket.js";

const utf8 = new TextEncoder();
const schema = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass";

describe("an S3 inventory", () => {
  it("gives the images that are there now, from all of its files", async () => {
    const place = await inventoryOf([
      [row("in/a+b%2Bc.jpg", { size: 7, etag: "e1" }), row("in/old.jpg", { latest: false })],
      [
        row("in/gone.jpg", { deleted: true }),
        row("in/notes.txt"),
        row("in/a.jpg/segments.png"),
        row("beside/x.jpg"),
        row("in/frozen.png", { class: "GLACIER", etag: "e2" }),
      ],
    ]);

    const { items } = await select(place, { inventory: "s3://uploads/inv/manifest.json" });

    expect(await gather(items)).toEqual([
      { bucket: "s3://uploads/in/", key: "a b+c.jpg", etag: "e1", size: 7 },
      { bucket: "s3://uploads/in/", key: "frozen.png", etag: "e2", size: 3 },
    ]);
  });

  it.each<[string, (manifest: Record<string, unknown>) => void]>([
    ["in another format", (manifest) => Object.assign(manifest, { fileFormat: "Parquet" })],
    ["without etags", (manifest) => Object.assign(manifest, { fileSchema: "Bucket, Key, Size" })],
    ["of another bucket", (manifest) => Object.assign(manifest, { sourceBucket: "other" })],
    ["with lines of another length", (manifest) => Object.assign(manifest, { fileSchema: `${schema}, More` })],
  ])("%s is SOURCE_LIST_INVALID", async (_, change) => {
    const place = await inventoryOf([[row("in/a.jpg")]], change);

    await expect(
      select(place, { inventory: "s3://uploads/inv/manifest.json" }).then(({ items }) => gather(items)),
    ).rejects.toMatchObject({ code: "SOURCE_LIST_INVALID" });
  });

  it("that is cut short is SOURCE_LIST_INVALID", async () => {
    const place = await inventoryOf([Array.from({ length: 500 }, (_, i) => row(`in/${i}.jpg`))]);
    const whole = place.bucket.objects.get("inv/0.csv.gz")!;
    await place.bucket.put("inv/0.csv.gz", whole.body.subarray(0, whole.body.length / 2));

    await expect(
      select(place, { inventory: "s3://uploads/inv/manifest.json" }).then(({ items }) => gather(items)),
    ).rejects.toMatchObject({ code: "SOURCE_LIST_INVALID" });
  });

  it("of 200,000 objects is read without holding it", async () => {
    const lines = Array.from({ length: 200_000 }, (_, i) => row(`in/folder/${i}.jpg`, { etag: `${i}` }));
    const place = await inventoryOf([lines]);
    const { items } = await select(place, { inventory: "s3://uploads/inv/manifest.json" });
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;

    let count = 0;
    let most = 0;
    for await (const _ of items)
      if (++count % 5000 === 0) most = Math.max(most, process.memoryUsage().heapUsed - before);

    expect(count).toBe(200_000);
    expect(most).toBeLessThan(120e6);
  });
});

describe("a list", () => {
  it.each([
    ["neither in staging nor in uploads", "s3://elsewhere/list.txt", "SOURCE_LIST_INVALID"],
    ["that is not there", "none.txt", "SOURCE_NOT_FOUND"],
    ["with a line of another bucket", "foreign.txt", "SOURCE_LIST_INVALID"],
  ])("%s is refused", async (_, list, code) => {
    const place = await inventoryOf([]);
    await place.staging.putLines("foreign.txt", ["s3://elsewhere/a.jpg"]);

    await expect(select(place, { list }).then(({ items }) => gather(items))).rejects.toMatchObject({ code });
  });
});

describe("parseCsvLine", () => {
  it("reads back any fields, in quotes", () => {
    const field = fc.string({ unit: "grapheme" }).filter((text) => !/[\n\r]/.test(text));
    fc.assert(
      fc.property(fc.array(field, { minLength: 1, maxLength: 6 }), (fields) => {
        const line = fields.map((text) => `"${text.replaceAll('"', '""')}"`).join(",");

        expect(parseCsvLine(line)).toEqual(fields);
      }),
    );
  });

  it.each([
    ["a,b,,c", ["a", "b", "", "c"]],
    ['"a",b', ["a", "b"]],
    ["a,", ["a", ""]],
    ['"a"b,c', []],
  ])("reads %s", (line, fields) => {
    expect(parseCsvLine(line)).toEqual(fields);
  });
});

describe("KeySet", () => {
  it("knows which keys it has seen", () => {
    const set = new KeySet();
    const keys = Array.from({ length: 5000 }, (_, i) => `folder/${i}`);

    expect(keys.every((key) => set.add(key))).toBe(true);
    expect(keys.some((key) => set.add(key))).toBe(false);
    expect(set.add("another")).toBe(true);
  });
});

interface Place {
  readonly bucket: Bucket;
  readonly uploads: Bucket;
  readonly staging: Bucket;
}

async function select({ bucket, uploads, staging }: Place, submit: Omit<Submit, "run_id">) {
  const source = await submittedSource({ ...submit, run_id: "s-1" }, { uploads, staging, open: () => bucket });
  return selectItems(uploads, source);
}

function row(
  key: string,
  told: { size?: number; etag?: string; latest?: boolean; deleted?: boolean; class?: string } = {},
) {
  const { size = 3, etag = "e", latest = true, deleted = false } = told;
  const values = [
    "uploads",
    key,
    "v",
    latest,
    deleted,
    deleted ? "" : size,
    "2026-01-01T00:00:00.000Z",
    etag,
    told.class ?? "STANDARD",
  ];
  return values.map((value) => `"${value}"`).join(",");
}

async function inventoryOf(
  files: string[][],
  change: (manifest: Record<string, unknown>) => void = () => {},
): Promise<Place> {
  const time = { now: 0 };
  const bucket = new Bucket("s3://uploads/", time);
  for (const [i, lines] of files.entries()) await bucket.put(`inv/${i}.csv.gz`, gzipSync(`${lines.join("\n")}\n`));
  const manifest = {
    sourceBucket: "uploads",
    destinationBucket: "arn:aws:s3:::uploads",
    version: "2016-11-30",
    fileFormat: "CSV",
    fileSchema: schema,
    files: files.map((_, i) => ({ key: `inv/${i}.csv.gz`, size: 1, MD5checksum: "x" })),
  };
  change(manifest);
  await bucket.put("inv/manifest.json", utf8.encode(JSON.stringify(manifest)));
  return { bucket, uploads: new Bucket("s3://uploads/in/", time), staging: new Bucket("s3://staging/", time) };
}
