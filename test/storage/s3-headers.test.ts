import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { S3Store } from "../../layers/storage/s3-store.js";
import { gather } from "../pipeline/fixtures.js";
import { hostileKeys, recordingServer } from "./recording-server.js";

/** Over the wire, as it is what arrives that counts. */
describe("a key of S3Store", () => {
  let server: Awaited<ReturnType<typeof recordingServer>>;
  let store: S3Store;
  beforeAll(async () => {
    server = await recordingServer();
    store = new S3Store({ bucket: "bucket", prefix: "p/", client: server.client });
  });
  afterAll(() => server.close());
  beforeEach(() => void server.requests.splice(0));

  const body = new Uint8Array([1]);
  const calls: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
    put: (key) => store.put(key, body, { contentType: "image/png" }),
    "put if absent": (key) => store.put(key, body, { ifAbsent: true }),
    "put if it matches": (key) => store.put(key, body, { ifMatch: "0" }),
    putLines: (key) => store.putLines(key, ["a"]),
    head: (key) => store.head(key),
    get: (key) => store.get(key, { ifMatch: "0", range: { start: 0, end: 9 }, versionId: "v" }),
    delete: (key) => store.delete(key),
    list: (key) => gather(store.list(key)).catch(() => {}),
  };
  const namesOf = () => server.requests.map(({ headers }) => headers.map(([name]) => name.toLowerCase()).sort());

  it.each(Object.keys(calls).flatMap((call) => hostileKeys.map((key) => [call, key] as const)))(
    "is in no header, and adds none (%s, %j)",
    async (call, key) => {
      await calls[call]!("plain.jpg");
      const plain = namesOf();
      server.requests.splice(0);

      await calls[call]!(key);

      expect(namesOf()).toEqual(plain);
      for (const { headers, url } of server.requests) {
        expect(headers.filter(([name, value]) => /evil/i.test(name + value))).toEqual([]);
        // It is where it belongs, and is text there.
        expect(url).toMatch(/^[\x21-\x7e]+$/);
        expect(decodeURIComponent(url)).toContain(key);
      }
    },
  );

  it.each(["0\r\nx-evil: 1", '0"\nx-evil: 1', "0\u0000"])(
    "with the etag %j, of a stranger, is not even asked for",
    async (etag) => {
      await expect(store.get("a.jpg", { ifMatch: etag })).rejects.toThrow();
      await expect(store.put("a.jpg", body, { ifMatch: etag })).rejects.toThrow();

      expect(server.requests).toEqual([]);
    },
  );
});
