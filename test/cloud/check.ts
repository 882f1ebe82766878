import {
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import sharp from "sharp";
import { expect } from "vitest";
import type { Cloud, Stack } from "./cloud.js";

/** How an image is to end: "segmented", or the code that it is rejected with. */
export type Ending = "segmented" | (string & {});

interface Outcome {
  readonly key: string;
  readonly status: "segmented" | "skipped" | "rejected";
  readonly error?: { readonly code: string };
}

export async function upload({ s3 }: Cloud, { uploads }: Stack, key: string, body: Uint8Array): Promise<string> {
  const { VersionId = "" } = await s3.send(new PutObjectCommand({ Bucket: uploads, Key: key, Body: body }));
  return VersionId;
}

/** Uploads many at once. */
export async function uploadAll(cloud: Cloud, stack: Stack, images: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const waiting = [...images];
  const one = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await upload(cloud, stack, ...next);
  };
  await Promise.all(Array.from({ length: 16 }, one));
}

/** Puts images where no event tells of them, as if they had been there before the stack. */
export async function placeAll(cloud: Cloud, stack: Stack, images: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const tell = (EventBridgeConfiguration: object | undefined) =>
    cloud.s3.send(
      new PutBucketNotificationConfigurationCommand({
        Bucket: stack.uploads,
        NotificationConfiguration: EventBridgeConfiguration === undefined ? {} : { EventBridgeConfiguration },
      }),
    );
  await tell(undefined);
  await uploadAll(cloud, stack, images);
  await tell({});
}

export async function keysBelow({ s3 }: Cloud, Bucket: string, Prefix: string): Promise<readonly string[]> {
  const keys: string[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await s3.send(
      new ListObjectsV2Command({ Bucket, Prefix, ...(ContinuationToken === undefined ? {} : { ContinuationToken }) }),
    );
    for (const { Key = "" } of page.Contents ?? []) keys.push(Key);
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
  return keys;
}

export async function read({ s3 }: Cloud, Bucket: string, Key: string): Promise<Uint8Array> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
  return (await Body?.transformToByteArray()) ?? new Uint8Array();
}

export async function readJson<T>(cloud: Cloud, bucket: string, key: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await read(cloud, bucket, key))) as T;
}

/** What all runs of a pipeline since the mark say of each image, one after the other, from the lists that summarize writes. */
export async function outcomes(
  cloud: Cloud,
  stack: Stack,
  pipeline = "superpixels",
  since = 0,
): Promise<ReadonlyMap<string, readonly Outcome[]>> {
  const prefix = `${pipeline}/reports/`;
  const fresh = cloud.emulator.proxy.ledger.acknowledgedWrites(stack.results, since);
  const found = new Map<string, Outcome[]>();
  for (const file of await keysBelow(cloud, stack.results, prefix)) {
    if (!file.endsWith(".items.jsonl") || !fresh.has(file)) continue;
    const text = new TextDecoder().decode(await read(cloud, stack.results, file));
    for (const line of text.split("\n")) {
      if (line === "") continue;
      const outcome = JSON.parse(line) as Outcome;
      found.set(outcome.key, [...(found.get(outcome.key) ?? []), outcome]);
    }
  }
  return found;
}

export interface ExpectOptions {
  /** Where the ledger was when the scenario began. */
  readonly since: number;
  /** @default "superpixels" */
  readonly pipeline?: string;
  /**
   * Result files beside metadata.json that may be written a second time, with the same bytes: as many as a publish that was killed
   * had written. metadata.json itself may never be.
   * @default 0
   */
  readonly rewrites?: number;
}

/**
 * Each image has ended as expected: with a whole result, or rejected with its code and no result; in the report of a run; and
 * every file of every result was written once.
 */
export async function expectOutcomes(
  cloud: Cloud,
  stack: Stack,
  expected: ReadonlyMap<string, Ending>,
  { since, pipeline = "superpixels", rewrites = 0 }: ExpectOptions,
): Promise<void> {
  const said = await outcomes(cloud, stack, pipeline, since);
  const lost = [...expected.keys()].filter((key) => !said.has(key));
  expect(lost, "images that no report names").toEqual([]);

  const wrong: string[] = [];
  for (const [key, ending] of expected) {
    const all = said.get(key) ?? [];
    const codes = all.map(({ status, error }) => error?.code ?? status);
    // A run may find that another one has been there; what it may not do is to segment it again, or to disagree.
    const accepted = ending === "segmented" ? ["segmented", "skipped"] : [ending];
    if (!codes.every((code) => accepted.includes(code)) || !codes.includes(ending))
      wrong.push(`${key}: ${codes.join()}`);
  }
  expect(wrong, "images that ended otherwise").toEqual([]);

  const written = cloud.emulator.proxy.ledger.acknowledgedWrites(stack.results, since);
  const present = new Set(await keysBelow(cloud, stack.results, `${pipeline}/`));
  const twice: string[] = [];
  let rewritten = 0;
  for (const [key, ending] of expected) {
    for (const name of ["segments.png", "metadata.json"]) {
      const path = `${pipeline}/${key}/${name}`;
      expect(present.has(path), path).toBe(ending === "segmented");
      const writes = written.get(path) ?? [];
      const before = ending === "segmented" ? 1 : 0;
      if (writes.length === before) continue;
      const alike = new Set(writes.map(({ etag }) => etag)).size === 1;
      if (name === "metadata.json" || !alike || writes.length === 0) twice.push(`${path}: ${writes.length}`);
      else rewritten += writes.length - 1;
    }
  }
  expect(twice, "results that were not written exactly once").toEqual([]);
  expect(rewritten, "result files written a second time").toBeLessThanOrEqual(rewrites);
}

interface Metadata {
  readonly source: { readonly key: string; readonly etag: string; readonly version_id?: string };
  readonly frame: { readonly width: number; readonly height: number };
  readonly segments: number;
  readonly segments_info: readonly { readonly id: number; readonly area: number }[];
}

/** The mask is one, of the frame's size, with the ids and areas that metadata.json tells. */
export async function expectMask(cloud: Cloud, stack: Stack, folder: string): Promise<Metadata> {
  const metadata = await readJson<Metadata>(cloud, stack.results, `${folder}/metadata.json`);
  const png = await read(cloud, stack.results, `${folder}/segments.png`);
  const { data, info } = await sharp(png)
    .toColourspace("grey16")
    .raw({ depth: "ushort" })
    .toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([metadata.frame.width, metadata.frame.height]);
  expect(metadata.segments_info).toHaveLength(metadata.segments);
  const total = metadata.segments_info.reduce((sum, { area }) => sum + area, 0);
  expect(total).toBe(info.width * info.height);
  expect(data.length).toBe(info.width * info.height * 2);
  return metadata;
}
