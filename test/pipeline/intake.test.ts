import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { UploadEvent } from "../../layers/pipeline/contracts.js";
import { intake, readRequest } from "../../layers/pipeline/intake.js";
import { readManifest } from "../../layers/pipeline/json-lines.js";
import { stagingKeys } from "../../layers/pipeline/keys.js";
import type { IntakeSource } from "../../layers/pipeline/selection.js";
import { blockSegmenter } from "./block-segmenter.js";
import { gather, imageBytes, storesWith } from "./fixtures.js";

type Stores = Awaited<ReturnType<typeof storesWith>>;

describe("intake of a listing", () => {
  it("takes images by extension in any case, and neither other files nor results of earlier runs", async () => {
    const made = await storesWith(2);
    for (const key of ["B.JPG", "notes.txt", "out/a.png/segments.png", "z.webp"])
      await made.uploads.put(key, imageBytes(1));

    const { request, lines } = await take(made, { kind: "prefix", prefix: "" });

    expect(lines.map(({ key }) => key)).toEqual(["B.JPG", "a/000.png", "a/001.png", "z.webp"]);
    expect(request.manifest).toMatchObject({ items: 4, bytes: lines.reduce((sum, { size }) => sum + size, 0) });
    expect(await readRequest(made.staging, request.run_id)).toEqual(request);
  });

  it("is the same run again while the source, the model and the parameters are the same", async () => {
    const made = await storesWith(2);
    const first = await take(made, { kind: "prefix", prefix: "" });
    await made.uploads.put("new.png", imageBytes(3));

    const second = await take(made, { kind: "prefix", prefix: "" });
    const other = await take(made, { kind: "prefix", prefix: "" }, { block: 4 });

    expect(second.request.run_id).toBe(first.request.run_id);
    expect(second.request.created_at).toBe(first.request.created_at);
    expect(second.request.manifest.digest).not.toBe(first.request.manifest.digest);
    expect(other.request.run_id).not.toBe(first.request.run_id);
  });
});

describe("intake of named keys", () => {
  it("sorts them, drops duplicates and line ends, keeps what is not there, and asks for no extension", async () => {
    const made = await storesWith(2);
    await made.uploads.put("scan", imageBytes(1));

    const { lines } = await take(made, { kind: "keys", keys: ["scan\r", "a/001.png", "gone.png", "a/001.png", ""] });

    expect(lines.map(({ key, etag }) => [key, etag !== ""])).toEqual([
      ["a/001.png", true],
      ["gone.png", false],
      ["scan", true],
    ]);
  });
});

describe("intake of upload events", () => {
  const event = (key: string, etag: string, sequencer?: string): UploadEvent => ({
    key,
    etag,
    size: 1,
    ...(sequencer === undefined ? {} : { sequencer }),
  });

  it("is the same run, of the same items, whatever the order and the number of copies", async () => {
    const made = await storesWith(0);
    const events = [event("b.png", "1"), event("a.png", "2"), event("ä.png", "3"), event("notes.txt", "4")];
    const { request, lines } = await take(made, { kind: "events", events });
    expect(lines.map(({ key }) => key)).toEqual(["a.png", "b.png", "ä.png"]);

    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([...events, ...events], { minLength: 8 }), async (shuffled) => {
        const again = await take(made, { kind: "events", events: shuffled });
        expect(again.request.run_id).toBe(request.run_id);
        expect(again.lines).toEqual(lines);
      }),
      { numRuns: 20 },
    );
  });

  it("takes the newest event of a key by its sequencer", async () => {
    const made = await storesWith(0);
    const events = [
      event("a.png", "old", "0055AED6DCD9"),
      event("a.png", "new", "0055AED6DCD90281E5"),
      event("a.png", "older", "0055"),
    ];

    for (const ordered of [events, [...events].reverse()]) {
      expect((await take(made, { kind: "events", events: ordered })).lines).toMatchObject([
        { key: "a.png", etag: "new" },
      ]);
    }
  });

  it("asks the store where the events do not tell which is newest", async () => {
    const made = await storesWith(1);
    const now = await made.uploads.head("a/000.png");

    const { lines } = await take(made, {
      kind: "events",
      events: [event("a/000.png", "zzz"), event("a/000.png", "aaa")],
    });

    expect(lines).toMatchObject([{ key: "a/000.png", etag: now?.etag, size: now?.size }]);
  });

  it("refuses an event without a key", async () => {
    const made = await storesWith(0);

    await expect(take(made, { kind: "events", events: [event("", "1")] })).rejects.toMatchObject({
      code: "EVENT_INVALID",
    });
  });
});

async function take({ stores, staging }: Stores, source: IntakeSource, parameters: Record<string, number> = {}) {
  const request = await intake({ stores, source, model: blockSegmenter().model, task: "superpixel", parameters });
  const lines = await gather(readManifest(staging, stagingKeys(request.run_id).manifest));
  return { request, lines };
}
