import { z } from "zod";
import { ClustsegError } from "../segments/errors.js";
import type { UploadEvent } from "./contracts.js";

/**
 * What S3 says of uploads, in its two dialects: EventBridge ("Object Created", keys as they are) and notifications
 * (`Records`, keys as in a URL's query, with "+" for a space).
 */

const size = z.int().nonnegative();

const eventBridgeSchema = z.object({
  source: z.literal("aws.s3"),
  "detail-type": z.string(),
  detail: z.object({
    bucket: z.object({ name: z.string().min(1) }),
    object: z.object({
      key: z.string().min(1),
      size: size.optional(),
      etag: z.string().optional(),
      /** As some stand-ins write it. */
      eTag: z.string().optional(),
      "version-id": z.string().nullish(),
      sequencer: z.string().optional(),
    }),
  }),
});

const notificationSchema = z.object({
  Records: z.array(
    z.object({
      eventSource: z.literal("aws:s3"),
      eventName: z.string(),
      s3: z.object({
        bucket: z.object({ name: z.string().min(1) }),
        object: z.object({
          key: z.string().min(1),
          size: size.optional(),
          eTag: z.string().optional(),
          versionId: z.string().nullish(),
          sequencer: z.string().optional(),
        }),
      }),
    }),
  ),
});

/** Sent by S3 when a notification is configured; says nothing of an object. */
const testSchema = z.object({ Service: z.literal("Amazon S3"), Event: z.literal("s3:TestEvent") });

export interface WatchedPlace {
  readonly bucket: string;
  /** "" or ending in "/". */
  readonly prefix: string;
}

/**
 * The uploads that a message tells of: none for S3's test events, deletions, folders of the console (keys that end in "/"),
 * and what lies outside of the prefix. Keys are those of the uploads store, without its prefix. Which of them are images is
 * asked later, so that there is one place for that.
 *
 * @param message JSON; of a stranger, so of any form
 * @throws ClustsegError EVENT_INVALID when it is none of S3's messages, or one of another bucket
 */
export function parseUploadMessage(message: string, watched: WatchedPlace): UploadEvent[] {
  const value = parseJson(message);
  if (testSchema.safeParse(value).success) return [];
  const objects = readObjects(value);
  return objects.flatMap(({ bucket, created, key, ...object }) => {
    if (!created) return [];
    if (bucket !== watched.bucket) {
      throw invalid(`it is of the bucket ${JSON.stringify(bucket)}, not of ${watched.bucket}`);
    }
    if (!key.startsWith(watched.prefix) || key.endsWith("/")) return [];
    const below = key.slice(watched.prefix.length);
    return below === "" ? [] : [{ key: below, ...object }];
  });
}

interface FoundObject extends UploadEvent {
  readonly bucket: string;
  readonly created: boolean;
}

function readObjects(value: unknown): FoundObject[] {
  const bridge = eventBridgeSchema.safeParse(value);
  if (bridge.success) {
    const { detail, "detail-type": type } = bridge.data;
    const { key, size = 0, etag, eTag, "version-id": versionId, sequencer } = detail.object;
    const created = type === "Object Created";
    return [foundObject(detail.bucket.name, created, key, { size, etag: etag ?? eTag, versionId, sequencer })];
  }
  const notification = notificationSchema.safeParse(value);
  if (!notification.success) throw invalid("it is neither an event of EventBridge nor a notification");
  return notification.data.Records.map(({ eventName, s3 }) => {
    const { key, size = 0, eTag, versionId, sequencer } = s3.object;
    const created = /^(?:s3:)?ObjectCreated:/.test(eventName);
    return foundObject(s3.bucket.name, created, decodeKey(key), { size, etag: eTag, versionId, sequencer });
  });
}

function foundObject(
  bucket: string,
  created: boolean,
  key: string,
  told: {
    size: number;
    etag: string | undefined;
    versionId: string | null | undefined;
    sequencer: string | undefined;
  },
): FoundObject {
  const { size, etag, versionId, sequencer } = told;
  // Deletions come without an etag. An upload without one could not be told from the next.
  if (created && (etag === undefined || etag === "")) throw invalid("it names no etag");
  return {
    bucket,
    created,
    key,
    etag: (etag ?? "").replaceAll('"', ""),
    size,
    ...(versionId == null || versionId === "" || versionId === "null" ? {} : { versionId }),
    ...(sequencer === undefined ? {} : { sequencer }),
  };
}

/** "a+b%2Bc.jpg" -> "a b+c.jpg" */
function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch {
    throw invalid("its key is not URL-encoded UTF-8");
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid("it is not JSON");
  }
}

function invalid(what: string): ClustsegError {
  return new ClustsegError("EVENT_INVALID", `a message cannot be used: ${what}`, {
    hint: "Only S3's events of the uploads bucket belong into this queue; look at the message in the dead-letter queue.",
  });
}

/**
 * Batches in each of which a key comes in one version only: of a bucket with versions, every version gets its result. Of one
 * without, an older event's bytes are gone, and the newest event of a key stands for all.
 */
export function versionRounds(events: readonly UploadEvent[]): UploadEvent[][] {
  const rounds: { readonly events: UploadEvent[]; readonly versionOf: Map<string, string> }[] = [];
  for (const event of events) {
    const version = event.versionId ?? "";
    let index = 0;
    for (let taken = rounds[0]?.versionOf.get(event.key); taken !== undefined && taken !== version; ) {
      // Without versions they are settled together.
      if (taken === "" || version === "") break;
      taken = rounds[++index]?.versionOf.get(event.key);
    }
    const round = rounds[index] ?? { events: [], versionOf: new Map<string, string>() };
    rounds[index] = round;
    round.events.push(event);
    if (!round.versionOf.has(event.key)) round.versionOf.set(event.key, version);
  }
  return rounds.map((round) => round.events);
}
