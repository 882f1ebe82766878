import { describe, expect, it } from "vitest";
import { parseUploadMessage, versionRounds } from "../../layers/pipeline/upload-events.js";

const watched = { bucket: "uploads", prefix: "" };

/** As S3 writes it to EventBridge, keys as they are. */
function bridgeEvent(object: object, { type = "Object Created", bucket = "uploads" } = {}): string {
  return JSON.stringify({
    version: "0",
    id: "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": type,
    source: "aws.s3",
    account: "111122223333",
    time: "2026-11-12T00:00:00Z",
    region: "eu-central-1",
    resources: ["arn:aws:s3:::uploads"],
    detail: { version: "0", bucket: { name: bucket }, object, "request-id": "N4N7GDK58NMKJ12R", reason: "PutObject" },
  });
}

/** As S3 writes it to a queue, keys as in a URL's query. */
function notification(object: object, eventName = "ObjectCreated:Put"): string {
  return JSON.stringify({
    Records: [
      {
        eventVersion: "2.1",
        eventSource: "aws:s3",
        eventName,
        s3: { s3SchemaVersion: "1.0", bucket: { name: "uploads", arn: "arn:aws:s3:::uploads" }, object },
      },
    ],
  });
}

const object = { key: "a b+c%20é.jpg", size: 5, etag: "e1", "version-id": "v1", sequencer: "0055AED6DCD90281E5" };

describe("a message of S3", () => {
  it("by EventBridge tells the key as it is", () => {
    expect(parseUploadMessage(bridgeEvent(object), watched)).toEqual([
      { key: "a b+c%20é.jpg", size: 5, etag: "e1", versionId: "v1", sequencer: "0055AED6DCD90281E5" },
    ]);
  });

  it("by notification tells the key URL-encoded", () => {
    const told = {
      key: "a+b%2Bc%2520%C3%A9.jpg",
      size: 5,
      eTag: "e1",
      versionId: "v1",
      sequencer: "0055AED6DCD90281E5",
    };

    expect(parseUploadMessage(notification(told), watched)).toEqual(parseUploadMessage(bridgeEvent(object), watched));
  });

  it.each([
    ["in a bucket without versions", { key: "a.jpg", size: 1, etag: "e" }],
    ["whose version is null", { key: "a.jpg", size: 1, etag: "e", "version-id": "null" }],
    ["of a stand-in's spelling", { key: "a.jpg", size: 1, eTag: "e", "version-id": null }],
    ["of no bytes", { key: "a.jpg", size: 0, etag: "e" }],
  ])("of an upload %s has no version", (_, told) => {
    const [event] = parseUploadMessage(bridgeEvent(told), watched);

    expect(event).toEqual({ key: "a.jpg", size: told.size, etag: "e" });
  });

  it.each([
    ["S3's test event", JSON.stringify({ Service: "Amazon S3", Event: "s3:TestEvent", Bucket: "uploads" })],
    [
      "a folder that the console made",
      bridgeEvent({ key: "folder/", size: 0, etag: "d41d8cd98f00b204e9800998ecf8427e" }),
    ],
    ["a folder by the name of an image", bridgeEvent({ key: "folder.jpg/", size: 0, etag: "e" })],
    ["a deletion", bridgeEvent({ key: "a.jpg", sequencer: "1" }, { type: "Object Deleted" })],
    [
      "a deletion, as a notification",
      notification({ key: "a.jpg", sequencer: "1" }, "ObjectRemoved:DeleteMarkerCreated"),
    ],
    ["an expiry", notification({ key: "a.jpg" }, "LifecycleExpiration:Delete")],
    ["a change of tags", bridgeEvent(object, { type: "Object Tags Added" })],
    ["a notification without records", JSON.stringify({ Records: [] })],
  ])("that is %s tells of no upload", (_, message) => {
    expect(parseUploadMessage(message, watched)).toEqual([]);
  });

  it("tells keys below the uploads' prefix, and passes over what lies beside it", () => {
    const place = { bucket: "uploads", prefix: "in/" };

    expect(parseUploadMessage(bridgeEvent({ ...object, key: "in/a.jpg" }), place)).toMatchObject([{ key: "a.jpg" }]);
    expect(parseUploadMessage(bridgeEvent({ ...object, key: "out/a.jpg" }), place)).toEqual([]);
  });

  it.each([
    ["no JSON", "hello"],
    ["another service's", JSON.stringify({ source: "aws.ec2", "detail-type": "x", detail: {} })],
    ["null", "null"],
    ["an upload without an etag", bridgeEvent({ key: "a.jpg", size: 1 })],
    ["of a key that is no URL", notification({ key: "%E0%A4%A", size: 1, eTag: "e" })],
    ["of a key that is empty", bridgeEvent({ key: "", size: 1, etag: "e" })],
    ["of a negative size", bridgeEvent({ ...object, size: -1 })],
    ["of another bucket", bridgeEvent(object, { bucket: "results" })],
  ])("that is %s is EVENT_INVALID", (_, message) => {
    expect(() => parseUploadMessage(message, watched)).toThrow(expect.objectContaining({ code: "EVENT_INVALID" }));
  });
});

describe("versionRounds", () => {
  const event = (key: string, versionId?: string) => ({
    key,
    etag: `${key}${versionId}`,
    size: 1,
    ...(versionId && { versionId }),
  });

  it("keeps versions of one key apart, and everything else together", () => {
    const events = [event("a", "1"), event("b", "1"), event("a", "2"), event("a", "1"), event("a", "3"), event("c")];

    expect(versionRounds(events).map((round) => round.map(({ key, versionId }) => `${key}${versionId ?? ""}`))).toEqual(
      [["a1", "b1", "a1", "c"], ["a2"], ["a3"]],
    );
  });

  it("settles events without versions in one round", () => {
    expect(versionRounds([event("a"), event("a"), event("b")])).toHaveLength(1);
  });
});
