import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { UploadEvent } from "../../layers/pipeline/contracts.js";
import { imageBytes } from "../pipeline/fixtures.js";
import { type Bucket, Death } from "./bucket.js";
import { blocks, inProcessCloud } from "./in-process-cloud.js";

const reports = ["blocks/reports/"];
const withOverlay = { ...blocks, formats: ["overlay"] };

/** Five images in three shards, one of them bad, one in two versions. */
async function smallRun(cloud: ReturnType<typeof inProcessCloud>): Promise<void> {
  const events: UploadEvent[] = [];
  for (let i = 0; i < 4; i++) events.push(await cloud.uploads.upload(`${i}.png`, imageBytes(i)));
  events.push(await cloud.uploads.upload("bad.png", new TextEncoder().encode("bad")));
  const older = await cloud.uploads.upload("twice.png", imageBytes(10));
  const newer = await cloud.uploads.upload("twice.png", imageBytes(11));
  // SQS delivers again what was not answered for.
  await cloud.persistently(() => cloud.receive([...events, older]));
  await cloud.persistently(() => cloud.receive([newer]));
  for (const [name, input] of cloud.executions) await cloud.execute(name, input);
}

function makeCloud(formats: "few files" | "more files") {
  const pipelines = [formats === "few files" ? blocks : withOverlay];
  return inProcessCloud({ versioned: true, shardItems: 2, inTurn: true, pipelines });
}

/** Which bytes came where, claims and reports left out; nothing may be there twice. */
function resultPuts({ puts }: Bucket): string[] {
  return puts.filter((put) => !put.includes("/reports/"));
}

describe.each(["few files", "more files"] as const)("death at any write of a run with %s an image", (formats) => {
  it.each(["before", "after"] as const)(
    "%s it is done: nothing is lost, and nothing written twice",
    async (when) => {
      const undisturbed = makeCloud(formats);
      await smallRun(undisturbed);
      const expected = undisturbed.results.fingerprints(reports);
      const outcomes = statuses(undisturbed);
      let deaths = 0;

      for (let at = 1; ; at++) {
        const cloud = makeCloud(formats);
        let writes = 0;
        const die = (request: string, key: string) => {
          if ((request === "PUT" || request === "DELETE") && ++writes === at)
            throw new Death(`${when} ${request} ${key}`);
        };
        for (const bucket of [cloud.staging, cloud.results]) bucket[when] = die;
        await smallRun(cloud);

        if (writes < at) break;
        deaths++;
        expect(cloud.results.fingerprints(reports)).toEqual(expected);
        expect(statuses(cloud)).toEqual(outcomes);
        const puts = resultPuts(cloud.results);
        expect(new Set(puts).size).toBe(puts.length);
        expect([...cloud.staging.objects.keys()]).toEqual([]);
      }

      expect(deaths).toBeGreaterThan(50);
    },
    60_000,
  );

  /** Of the items' reports: every image's end, as results say it. */
  function statuses(cloud: ReturnType<typeof inProcessCloud>): string[] {
    return Object.entries(cloud.results.contents())
      .filter(([key]) => key.endsWith(".items.jsonl"))
      .flatMap(([, text]) => text.trim().split("\n"))
      .map((line) => JSON.parse(line))
      .map(({ key, etag, status }) => `${key} ${etag} ${status}`)
      .sort();
  }
});

describe("uploads in any order, delivered in any batches, more than once, to runs at the same time", () => {
  const uploads = fc.array(
    fc.record({ key: fc.nat(2), image: fc.nat(5), done: fc.boolean().map((done) => (done ? "at once" : "later")) }),
    { minLength: 1, maxLength: 6 },
  );
  const deliveries = fc.array(fc.array(fc.nat(5), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 });

  it.each([true, false])(
    "end in the result of each upload, once (bucket with versions: %s)",
    async (versioned) => {
      await fc.assert(
        fc.asyncProperty(uploads, deliveries, fc.boolean(), async (images, batches, overlay) => {
          const cloud = inProcessCloud({ versioned, shardItems: 2, pipelines: [overlay ? withOverlay : blocks] });
          const events: UploadEvent[] = [];
          for (const { key, image, done } of images) {
            const event = await cloud.uploads.upload(`${key}.png`, imageBytes(image));
            events.push(event);
            if (done === "later") continue;
            await cloud.receive([event]);
            await cloud.executeAll();
          }
          for (const batch of batches) await cloud.receive(batch.map((i) => events[i % events.length]!));
          await cloud.receive([...events].reverse());
          const summaries = await cloud.executeAll();

          const results = cloud.results.contents(reports);
          const places = Object.keys(results).filter((key) => key.endsWith("/metadata.json"));
          const etagAt = new Map(
            places.map((key) => [key.replace(/^blocks\/|\/metadata\.json$/g, ""), etagOf(results[key])]),
          );
          for (const { key, etag } of events) {
            expect(etagAt.get(key)).toBe(events.findLast((event) => event.key === key)?.etag);
            // Equal bytes have equal results: one of them is enough.
            const kept = [...etagAt].some(([place, found]) => place.startsWith(key) && found === etag);
            if (versioned) expect(kept).toBe(true);
          }
          for (const [place, etag] of etagAt) {
            const version = place.split("/versions/")[1];
            const named = events.find(({ versionId, etag }) => (versionId ?? etag) === version);
            if (version !== undefined) expect(etag).toBe(named?.etag);
          }
          for (const place of places) {
            for (const { name, bytes } of JSON.parse(results[place]!).files) {
              expect(results[place.replace("metadata.json", name)]?.length).toBe(bytes);
            }
          }
          expect(summaries.every(({ status, items }) => status === "completed" && items.pending === 0)).toBe(true);
          expect([...cloud.staging.objects.keys()]).toEqual([]);
        }),
        { numRuns: 40 },
      );
    },
    60_000,
  );

  const etagOf = (metadata: string | undefined): string => JSON.parse(metadata ?? "").source.etag;
});
