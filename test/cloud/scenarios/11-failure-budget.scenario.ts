import { expect, test } from "vitest";
import { placeAll, readJson } from "../check.js";
import { openCloud } from "../cloud.js";
import { ended, submit } from "../runs.js";

const cloud = await openCloud();
const stack = await cloud.stack("dev");
const { proxy } = cloud.emulator;

interface Report {
  readonly status: string;
  readonly items: { readonly total: number; readonly rejected: number; readonly pending: number };
  readonly rejected_by_code: Readonly<Record<string, number>>;
}

test("11 a run of which nearly all is bad stops at its failure budget", async () => {
  const images = new Map<string, Uint8Array>();
  for (let i = 0; i < 400; i++) {
    images.set(`bad/${String(i).padStart(3, "0")}.jpg`, new TextEncoder().encode(`this is no image: ${i}`));
  }
  await placeAll(cloud, stack, images);
  const since = proxy.ledger.mark();

  const runId = await submit(cloud, stack, "bad/");
  const run = await ended(cloud, stack, runId);

  // More than half of at least 40 are bad: it stops, far from having read all 400, and says so.
  expect(run.status).toBe("FAILED");
  const report = await readJson<Report>(cloud, stack.results, `superpixels/reports/${runId}.json`);
  expect(report.status).toBe("over_budget");
  expect(report.items.total).toBe(images.size);
  expect(report.items.rejected).toBeGreaterThanOrEqual(40);
  expect(report.items.rejected + report.items.pending).toBe(images.size);
  expect(report.rejected_by_code).toEqual({ IMAGE_UNSUPPORTED: report.items.rejected });
  const reads = proxy.ledger
    .entries(since)
    .filter(
      ({ stage, bucket, operation }) => stage === "segment" && bucket === stack.uploads && operation === "GetObject",
    );
  expect(reads.length).toBeLessThan(images.size);
});
