import { readFile } from "node:fs/promises";
import path from "node:path";
import { Logger } from "@aws-lambda-powertools/logger";
import { Metrics } from "@aws-lambda-powertools/metrics";
import { expect, it, vi } from "vitest";
import { openPipelineModel } from "../../functions/pipeline-model.js";
import { quickShard } from "../../functions/quick/quick-shard.js";
import { Interruption } from "../../functions/segment/interruption.js";
import { segmentJob } from "../../functions/segment/job.js";
import { JobReports } from "../../functions/segment/reports.js";
import { loadManifest } from "../../layers/model/bundle.js";
import { createSegmenter, readRequest } from "../../layers/model/segmenter.js";
import type { Pipeline } from "../../layers/pipeline/cloud-contracts.js";
import { intake } from "../../layers/pipeline/intake.js";
import { plan } from "../../layers/pipeline/plan.js";
import { publishShard } from "../../layers/pipeline/publish-shard.js";
import { MemoryStore } from "../pipeline/memory-store.js";

const root = path.resolve(import.meta.dirname, "../..");
const models = path.join(root, "models");
const shard = "00000";

/** The model that ships, as a stack would be configured with it. */
async function superpixels(): Promise<Pipeline> {
  const manifest = await loadManifest(path.join(models, "clustseg-superpixel"));
  const { name, version, tasks, graph } = manifest;
  const asked = { task: "superpixel", formats: ["overlay"], parameters: { superpixels: 200 } };
  const { parameters } = readRequest(asked, manifest);
  const model = { name, version, sha256: graph.sha256, tasks: [...tasks] };
  return { name: "superpixels", model, ...asked, parameters: { ...parameters } };
}

/** A run of one shard, planned, over the same image; `segment` is all that differs. */
async function published(pipeline: Pipeline, segment: (runId: string, stores: Stores) => Promise<unknown>) {
  const stores = {
    uploads: new MemoryStore("memory:///uploads/"),
    staging: new MemoryStore("memory:///staging/"),
    results: new MemoryStore("memory:///results/"),
  };
  await stores.uploads.put("photo.jpg", await readFile(path.join(root, "examples/images/red-sea.jpg")));
  const { model, task, parameters, formats } = pipeline;
  const source = { kind: "prefix", prefix: "" } as const;
  const request = await intake({ stores, source, model, task, parameters, formats });
  await plan({ stores, request });
  await segment(request.run_id, stores);
  await publishShard({ stores, request, shard });
  return new Map([...stores.results.objects].map(([key, { body }]) => [key, Buffer.from(body).toString("base64")]));
}
type Stores = { readonly uploads: MemoryStore; readonly staging: MemoryStore };

it("the function, on all cores, and the container, on one thread an image, publish the same bytes", async () => {
  vi.stubEnv("POWERTOOLS_METRICS_DISABLED", "true");
  const pipeline = await superpixels();

  const byQuick = await published(pipeline, async (run_id, stores) => {
    const model = await openPipelineModel(pipeline, models, { threads: 2 });
    try {
      await quickShard(
        { pipeline: pipeline.name, run_id, shard },
        {
          stores,
          pipelines: [pipeline],
          segmenterOf: async () => createSegmenter(model),
          failureBudget: {},
          signal: new AbortController().signal,
        },
      );
    } finally {
      await model.close();
    }
  });
  const logger = new Logger({ logLevel: "SILENT" });
  const byWorker = await published(pipeline, (runId, { uploads, staging }) =>
    segmentJob({
      stores: { uploads, staging },
      pipeline,
      runId,
      shard,
      models,
      provider: "cpu",
      workers: 1,
      interruption: new Interruption(),
      reports: new JobReports({ logger, metrics: new Metrics({ namespace: "test" }) }),
    }),
  );

  expect([...byQuick.keys()].sort()).toEqual([
    "photo.jpg/metadata.json",
    "photo.jpg/overlay.png",
    "photo.jpg/segments.png",
  ]);
  expect(byWorker).toEqual(byQuick);
}, 60_000);
