import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FileSender } from "../../bin/cloud/file-sender.js";
import { MemoryStore } from "../pipeline/memory-store.js";
import { hostileKeys, recordingServer } from "../storage/recording-server.js";

describe("the name of a file that is sent", () => {
  let server: Awaited<ReturnType<typeof recordingServer>>;
  beforeAll(async () => {
    server = await recordingServer();
  });
  afterAll(() => server.close());
  beforeEach(() => void server.requests.splice(0));

  it.each(hostileKeys)("is in no header and no metadata: %j", async (key) => {
    const store = new MemoryStore();
    const body = new TextEncoder().encode("image");
    await store.put(key, body);
    const sender = new FileSender(store, "s3://bucket/in/", server.client);

    await sender.send((await store.head(key))!, new AbortController().signal);

    const [sent, ...others] = server.requests;
    expect(others).toEqual([]);
    expect(decodeURIComponent(sent!.url)).toContain(`/in/${key}`);
    expect(sent!.headers.filter(([name, value]) => /evil/i.test(name + value))).toEqual([]);
    // Of what we say of the object, only these are ours, and neither is the name.
    const ours = sent!.headers.filter(([name]) => /^(x-amz-meta-.*|content-(type|disposition))$/i.test(name));
    const etag = createHash("md5").update(body).digest("hex");
    expect(Object.fromEntries(ours.map(([name, value]) => [name.toLowerCase(), value]))).toEqual({
      "content-type": "image/jpeg",
      "x-amz-meta-clustseg-etag": etag,
    });
  });
});
