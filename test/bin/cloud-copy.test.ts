import { describe, expect, it } from "vitest";
import { copyResult } from "../../bin/cloud/copy-result.js";
import { encodeClaim } from "../../layers/pipeline/claim.js";
import type { RunStores } from "../../layers/pipeline/ports.js";
import { gather, startRun, storesWith } from "../pipeline/fixtures.js";
import { MemoryStore } from "../pipeline/memory-store.js";

const key = "a/000.png";

/** A real result of one image, and an empty target. */
async function prepare() {
  const { results, stores } = await storesWith(1);
  await startRun(stores as RunStores, { formats: ["overlay"] });
  const text = await results.text(`${key}/metadata.json`);
  const { result_id: id } = JSON.parse(text) as { result_id: string };
  return { from: results, to: new MemoryStore("memory:///to/"), id, text };
}

const keysOf = async (store: MemoryStore) => (await gather(store.list(""))).map((info) => info.key);
const put = (store: MemoryStore, at: string, text: string) => store.put(at, new TextEncoder().encode(text));

describe("copying a result", () => {
  it("writes metadata.json last, and nothing when it is there", async () => {
    const { from, to, id } = await prepare();

    const first = await copyResult(from, to, key, id);
    const writes = [...to.writes];
    const second = await copyResult(from, to, key, id);

    expect(first.was).toBe("copied");
    expect(writes).toHaveLength(3);
    expect(writes.at(-1)).toBe(`${key}/metadata.json`);
    expect(second).toEqual({ was: "there" });
    expect(to.writes).toEqual(writes);
  });

  it("finds the result of an earlier upload below versions, and leaves the later one's alone", async () => {
    const { from, to, id, text } = await prepare();
    for (const name of ["segments.png", "overlay.png", "metadata.json"]) {
      await from.put(`${key}/versions/v%2F1/${name}`, (await from.get(`${key}/${name}`)).body);
    }
    await put(from, `${key}/metadata.json`, text.replace(id, "f".repeat(32)));

    expect((await copyResult(from, to, key, id)).was).toBe("copied");
    expect(await keysOf(to)).toEqual([
      `${key}/versions/v%2F1/metadata.json`,
      `${key}/versions/v%2F1/overlay.png`,
      `${key}/versions/v%2F1/segments.png`,
    ]);
  });

  it("tells that it is gone when another result is in its place", async () => {
    const { from, to, id, text } = await prepare();
    await put(from, `${key}/metadata.json`, text.replace(id, "f".repeat(32)));

    expect(await copyResult(from, to, key, id)).toEqual({ was: "gone" });
    expect(await keysOf(to)).toEqual([]);
  });

  it.each(["../../evil.sh", "segments.png/../x", "metadata.json", "run.exe"])(
    "writes no file called %j, whatever the metadata lists",
    async (name) => {
      const { from, to, id, text } = await prepare();
      await put(from, `${key}/metadata.json`, text.replace('"overlay.png"', JSON.stringify(name)));

      await expect(copyResult(from, to, key, id)).rejects.toMatchObject({ code: "METADATA_INVALID" });
      expect(await keysOf(to)).toEqual([]);
    },
  );

  it("is to be tried again when somebody begins to replace it meanwhile", async () => {
    const { from, to, id } = await prepare();
    const get = from.get.bind(from);
    from.get = async (at, options) => {
      const found = await get(at, options);
      const claim = encodeClaim({ result_id: "f".repeat(32), at: "2026-01-01T00:00:00.000Z", fresh: false });
      if (at === `${key}/metadata.json`) await from.put(at, claim);
      return found;
    };

    await expect(copyResult(from, to, key, id)).rejects.toMatchObject({ code: "OBJECT_CHANGED" });
    expect(await keysOf(to)).toEqual([]);
  });

  it("leaves nothing that looks whole when a file is not as the metadata says", async () => {
    const { from, to, id } = await prepare();
    await put(from, `${key}/overlay.png`, "short");

    await expect(copyResult(from, to, key, id)).rejects.toMatchObject({ code: "OBJECT_CHANGED" });
    expect(await to.head(`${key}/metadata.json`)).toBeUndefined();
  });

  it("copies again what is not whole at the target", async () => {
    const { from, to, id } = await prepare();
    await copyResult(from, to, key, id);
    await put(to, `${key}/segments.png`, "cut");

    expect((await copyResult(from, to, key, id)).was).toBe("copied");
    expect(await to.text(`${key}/segments.png`)).toBe(await from.text(`${key}/segments.png`));
  });
});
