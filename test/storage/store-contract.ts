import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareKeys } from "../../layers/pipeline/keys.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { gather } from "../pipeline/fixtures.js";

const text = (body: Uint8Array) => new TextDecoder().decode(body);
const bytes = (body: string) => new TextEncoder().encode(body);

/** Keys that have made trouble somewhere. */
export const oddKeys = [
  "plain.jpg",
  "with space/and more.jpg",
  "plus+and&=?#.jpg",
  "percent%2Fencoded%.jpg",
  "new\nline\ttab.jpg",
  "ünï/文字/😀.jpg",
  "e\u0301 decomposed.jpg",
  "..dots../...jpg",
  "quote\"and'back\\slash.jpg",
  "-rf *.jpg",
  "line\u2028separator.jpg",
];

/** What every ObjectStore must do; `open` gives an empty one. */
export function describeObjectStore(
  name: string,
  open: () => Promise<ObjectStore>,
  keys: readonly string[] = oddKeys,
): void {
  describe(`${name} as an ObjectStore`, () => {
    it("gives back what was put, and knows its size and etag", async () => {
      const store = await open();

      expect(await store.put("a/b.txt", bytes("hello"))).toBe("written");
      const { body, info } = await store.get("a/b.txt");

      expect(text(body)).toBe("hello");
      expect(info).toMatchObject({ key: "a/b.txt", size: 5 });
      expect(await store.head("a/b.txt")).toMatchObject({ key: "a/b.txt", size: 5, etag: info.etag });
    });

    it("has nothing where nothing was put", async () => {
      const store = await open();
      await store.put("a/b", bytes("x"));

      expect(await store.head("a/c")).toBeUndefined();
      expect(await store.head("a")).toBeUndefined();
      await expect(store.get("a/c")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND", fault: "input" });
      await expect(gather(store.lines("a/c"))).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
      await expect(store.delete("a/c")).resolves.toBeUndefined();
    });

    it.each([
      [0, 4, "0123"],
      [3, 5, "34"],
      [8, 99, "89"],
      [10, 20, ""],
      [50, 60, ""],
      [4, 4, ""],
    ])("reads bytes %i to %i", async (start, end, expected) => {
      const store = await open();
      await store.put("digits", bytes("0123456789"));

      const { body, info } = await store.get("digits", { range: { start, end } });

      expect(text(body)).toBe(expected);
      expect(info.size).toBe(10);
    });

    it("reads an empty object, whole or in part", async () => {
      const store = await open();
      await store.put("empty", new Uint8Array());

      expect((await store.get("empty")).body).toHaveLength(0);
      expect((await store.get("empty", { range: { start: 0, end: 256 } })).body).toHaveLength(0);
    });

    it("refuses what has changed, and what is too large", async () => {
      const store = await open();
      await store.put("a", bytes("first"));
      const { etag } = (await store.head("a"))!;
      expect(text((await store.get("a", { ifMatch: etag })).body)).toBe("first");
      await store.put("a", bytes("second!"));

      await expect(store.get("a", { ifMatch: etag })).rejects.toMatchObject({
        code: "OBJECT_CHANGED",
        retryable: true,
      });
      await expect(store.get("a", { maxBytes: 6 })).rejects.toMatchObject({ code: "OBJECT_TOO_LARGE" });
      expect(text((await store.get("a", { maxBytes: 6, range: { start: 0, end: 6 } })).body)).toBe("second");
    });

    it("lets one writer win where all say ifAbsent", async () => {
      const store = await open();

      const done = await Promise.all([1, 2, 3, 4].map((i) => store.put("one", bytes(`${i}`), { ifAbsent: true })));

      expect([...done].sort()).toEqual(["exists", "exists", "exists", "written"]);
      expect(text((await store.get("one")).body)).toBe(`${done.indexOf("written") + 1}`);
    });

    it("writes over the object that is named by its etag, and over no other", async () => {
      const store = await open();
      await store.put("a", bytes("first"));
      const first = (await store.head("a"))?.etag ?? "";

      expect(await store.put("a", bytes("the second"), { ifMatch: first })).toBe("written");
      expect(await store.put("a", bytes("third"), { ifMatch: first })).toBe("exists");
      expect(text((await store.get("a")).body)).toBe("the second");
      expect(await store.put("none", bytes("x"), { ifMatch: first })).toBe("exists");
      expect(await store.head("none")).toBeUndefined();
    });

    it("lists in the order of UTF-8 bytes, below a prefix", async () => {
      const store = await open();
      const keys = ["a.b/1", "a/b/2", "a/b.c", "a/b", "ab", "a/\uffee", "a/\u{1f600}", "b/x", "A"].filter(
        (key) => key !== "a/b",
      );
      for (const key of [...keys].reverse()) await store.put(key, bytes(key));

      const list = async (prefix: string) => (await gather(store.list(prefix))).map(({ key }) => key);

      expect(await list("")).toEqual([...keys].sort(compareKeys));
      expect(await list("a/")).toEqual(["a/b.c", "a/b/2", "a/\uffee", "a/\u{1f600}"]);
      expect(await list("a/b")).toEqual(["a/b.c", "a/b/2"]);
      expect(await list("a")).toEqual(["a.b/1", "a/b.c", "a/b/2", "a/\uffee", "a/\u{1f600}", "ab"]);
      expect(await list("zzz/yyy/")).toEqual([]);
    });

    it("lists the sizes and etags that head tells", async () => {
      const store = await open();
      for (let i = 0; i < 5; i++) await store.put(`k${i}`, new Uint8Array(i));

      for (const info of await gather(store.list(""))) expect(await store.head(info.key)).toMatchObject(info);
    });

    it("deletes, and may be told to twice", async () => {
      const store = await open();
      await store.put("a/b/c", bytes("x"));
      await store.put("a/d", bytes("x"));

      await store.delete("a/b/c");
      await store.delete("a/b/c");

      expect((await gather(store.list(""))).map(({ key }) => key)).toEqual(["a/d"]);
    });

    it("streams lines, and ends them at \\n only", async () => {
      const store = await open();
      const lines = ["", "a\u2028b", "c\rd", "é".repeat(100_000), "last"];

      await store.putLines("lines.jsonl", lines);

      expect(await gather(store.lines("lines.jsonl"))).toEqual(lines);
      await store.putLines("none.jsonl", []);
      expect(await gather(store.lines("none.jsonl"))).toEqual([]);
    });

    it("has no object when the lines' source fails, and passes its error on", async () => {
      const store = await open();
      const failing = async function* () {
        for (let i = 0; i < 30_000; i++) yield "x".repeat(1000);
        throw new TypeError("no more");
      };

      await expect(store.putLines("lines", failing())).rejects.toThrow(new TypeError("no more"));
      expect(await gather(store.list(""))).toEqual([]);
    });

    it.each(keys)("holds the key %j", async (key) => {
      const store = await open();
      await store.put(key, bytes(key));

      expect(text((await store.get(key)).body)).toBe(key);
      expect((await gather(store.list(""))).map((info) => info.key)).toEqual([key]);
      await store.delete(key);
      expect(await store.head(key)).toBeUndefined();
    });

    it("holds a name of 255 bytes, and a long key", async () => {
      const store = await open();
      const keys = [`${"x".repeat(251)}.jpg`, `${"d/".repeat(100)}${"é".repeat(100)}`];
      for (const key of keys) await store.put(key, bytes("x"));

      expect((await gather(store.list(""))).map(({ key }) => key).sort()).toEqual([...keys].sort());
    });
  });
}

/** Any key that a store may be asked for: segments that are names, odd names or escapes. */
export const keyArbitrary: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.string({ maxLength: 12, unit: "binary" }).map((segment) => segment.replaceAll("/", "")),
      fc.constantFrom(
        "",
        ".",
        "..",
        ".clustseg",
        ".CLUSTSEG-x",
        "%clustseg-e-%2E",
        "%clustseg-h-0",
        "%2F",
        "CON",
        "a".repeat(300),
        "é".repeat(128),
        "\0",
      ),
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((segments) => segments.join("/"))
  .filter((key) => key !== "");
