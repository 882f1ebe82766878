import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ItemOutcome } from "../../layers/pipeline/contracts.js";
import { resultFileTypes } from "../../layers/pipeline/keys.js";
import { decodePack, encodePack, type PackItem } from "../../layers/pipeline/pack.js";

const extraNames = Object.keys(resultFileTypes).filter((name) => !["segments.png", "metadata.json"].includes(name));
const body = fc.uint8Array({ minLength: 1, maxLength: 200 });
const id = fc.stringMatching(/^[0-9a-f]{32}$/);
const keyText = fc.string({ minLength: 1, unit: "grapheme" });

const segmentedItem: fc.Arbitrary<PackItem> = fc
  .record({
    key: keyText,
    etag: fc.string(),
    id,
    segments: fc.nat(65535),
    required: fc.tuple(body, body),
    extras: fc.dictionary(fc.constantFrom(...extraNames), body),
  })
  .map(({ key, etag, id, segments, required: [png, metadata], extras }) => ({
    outcome: {
      key,
      etag,
      result_id: id,
      status: "segmented",
      segments,
      frame: { width: 3, height: 2 },
      ms: { decode: 0.5, infer: 1, encode: 2 },
    },
    files: new Map([["segments.png", png], ...Object.entries(extras), ["metadata.json", metadata]]),
  }));
const rejectedItem: fc.Arbitrary<PackItem> = fc
  .record({ key: keyText, etag: fc.string(), id, message: fc.string() })
  .map(({ key, etag, id, message }) => ({
    outcome: {
      key,
      etag,
      result_id: id,
      status: "rejected",
      error: { code: "IMAGE_EMPTY", message, hint: "", retryable: false },
    },
    files: new Map(),
  }));
const pack = fc.record({
  runId: fc.constant("r-1"),
  shard: fc.constant("00000"),
  items: fc.array(fc.oneof(segmentedItem, rejectedItem), { maxLength: 6 }),
});

describe("a pack", () => {
  it("comes back as it was", async () => {
    await fc.assert(
      fc.asyncProperty(pack, async (original) => {
        const decoded = await decodePack(await encodePack(original));

        expect(plain(decoded)).toEqual(plain(original));
      }),
      { numRuns: 60 },
    );
  });

  it("is damaged when any byte differs, is missing or is added", async () => {
    await fc.assert(
      fc.asyncProperty(
        pack,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.constantFrom("flip", "cut", "add"),
        async (original, at, change, how) => {
          const bytes = await encodePack(original);
          const index = at % bytes.length;
          let hurt = bytes.slice();
          if (how === "flip") hurt[index] = bytes[index]! ^ change;
          if (how === "cut") hurt = bytes.slice(0, index);
          if (how === "add") hurt = Uint8Array.from([...bytes, change]);

          await expect(decodePack(hurt)).rejects.toMatchObject({ code: "PACK_DAMAGED", retryable: true });
        },
      ),
      { numRuns: 150 },
    );
  });

  it("may be a view into a larger buffer", async () => {
    const bytes = await encodePack({ runId: "r-1", shard: "00000", items: [item()] });
    const larger = new Uint8Array(bytes.length + 20);
    larger.set(bytes, 7);

    const decoded = await decodePack(larger.subarray(7, 7 + bytes.length));

    expect(decoded.items).toHaveLength(1);
  });

  it.each([
    ["a name that is no result file", item({ files: { "../../etc/passwd": "x" } })],
    ["an empty file", item({ files: { "overlay.png": "" } })],
    ["no segments.png", item({ without: "segments.png" })],
    ["no metadata.json", item({ without: "metadata.json" })],
    ["files of an item that was rejected", item({ status: "rejected" })],
  ])("is refused with %s", async (_, refused) => {
    const encoding = encodePack({ runId: "r-1", shard: "00000", items: [refused] });

    await expect(encoding).rejects.toMatchObject({ code: "PACK_FILE_REFUSED" });
  });

  it("is refused with such files also when it was made elsewhere", async () => {
    const bytes = await encodePack({ runId: "r-1", shard: "00000", items: [item()] });
    const text = Buffer.from(bytes).toString("latin1").replace("segments.png", "segments.exe");
    const forged = Buffer.from(text, "latin1");
    const digest = await crypto.subtle.digest("SHA-256", forged.subarray(0, -32));
    forged.set(new Uint8Array(digest), forged.length - 32);

    await expect(decodePack(forged)).rejects.toMatchObject({ code: "PACK_FILE_REFUSED" });
  });
});

interface ItemChange {
  readonly files?: Readonly<Record<string, string>>;
  readonly without?: string;
  readonly status?: "rejected";
}

function item({ files = {}, without, status }: ItemChange = {}): PackItem {
  const base = { key: "a.png", etag: "e", result_id: "0".repeat(32) };
  const outcome: ItemOutcome =
    status === "rejected"
      ? { ...base, status, error: { code: "IMAGE_EMPTY", message: "", hint: "", retryable: false } }
      : {
          ...base,
          status: "segmented",
          segments: 1,
          frame: { width: 1, height: 1 },
          ms: { decode: 0, infer: 0, encode: 0 },
        };
  const all = Object.entries({ "segments.png": "png", "metadata.json": "{}", ...files });
  return {
    outcome,
    files: new Map(
      all.filter(([name]) => name !== without).map(([name, text]) => [name, new TextEncoder().encode(text)]),
    ),
  };
}

function plain({ items, ...rest }: { items: readonly PackItem[] }) {
  return {
    ...rest,
    items: items.map(({ outcome, files }) => ({
      outcome,
      files: [...files].map(([name, bytes]) => [name, [...bytes]]),
    })),
  };
}
