import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inflateSync } from "node:zlib";
import { expect, it } from "vitest";
import { type ExportFormatName, exportFormats, exportResults } from "../../layers/pipeline/export-results.js";
import { codecs, drawnSets, drawnStores } from "./drawn-results.js";
import type { MemoryStore } from "./memory-store.js";

/**
 * The data sets that reference readers read in training/tests/formats/test_export_reference.py: pycocotools, panopticapi's definition,
 * Pillow, and so on. Here it is only seen that what is written still is what they read.
 *
 *     UPDATE_FIXTURES=1 npx vitest run test/pipeline/export-readers.test.ts      writes the files anew
 */
const folder = fileURLToPath(new URL("fixtures/export", import.meta.url));
const update = process.env["UPDATE_FIXTURES"] === "1";

const sets = Object.keys(drawnSets) as (keyof typeof drawnSets)[];
const formats = Object.keys(exportFormats) as ExportFormatName[];
const cases = sets.flatMap((set) =>
  formats.filter((format) => format !== "voc" || set !== "superpixel").map((format) => [set, format] as const),
);

it.each(cases)("%s as %s is what the reference readers read", async (set, format) => {
  const stores = await drawnStores(drawnSets[set]);

  const report = await exportResults({ stores, format, codecs });

  expect(report.images).toMatchObject({ failed: 0, exported: Object.keys(drawnSets[set].images).length });
  await expectFiles(join(folder, set, format), stores.out);
  expect([...stores.staging.objects.keys()]).toEqual([]);
});

it.each(sets)("results of %s are those that the exports were made of", async (set) => {
  const { results, images } = await drawnStores(drawnSets[set]);

  await expectFiles(join(folder, set, "results"), results);
  await expectFiles(join(folder, set, "images"), images);
});

async function expectFiles(place: string, store: MemoryStore): Promise<void> {
  const names = [...store.objects.keys()].sort();
  if (update) {
    await rm(place, { recursive: true, force: true });
    for (const [name, { body }] of store.objects) {
      await mkdir(dirname(join(place, name)), { recursive: true });
      await writeFile(join(place, name), body);
    }
  }
  expect(existsSync(place) ? (await filesBelow(place)).sort() : []).toEqual(names);
  for (const name of names) {
    const [kept, made] = [new Uint8Array(await readFile(join(place, name))), store.objects.get(name)!.body];
    expect(readable(made), name).toEqual(readable(kept));
  }
}

async function filesBelow(place: string): Promise<string[]> {
  const entries = await readdir(place, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(place.length + 1)
        .replaceAll("\\", "/"),
    );
}

/** Text as it is; of a PNG what is in it, as zlibs compress the same rows to different bytes. */
function readable(bytes: Uint8Array): unknown {
  const isPng = bytes[1] === 0x50 && bytes[2] === 0x4e && bytes[3] === 0x47;
  if (!isPng) return new TextDecoder().decode(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks = new Map<string, number[]>();
  for (let at = 8; at < bytes.length; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    chunks.set(type, [...(chunks.get(type) ?? []), ...bytes.subarray(at + 8, at + 8 + length)]);
    at += 12 + length;
  }
  const rows = inflateSync(Uint8Array.from(chunks.get("IDAT")!)).toString("hex");
  return { header: chunks.get("IHDR"), palette: chunks.get("PLTE"), rows };
}
