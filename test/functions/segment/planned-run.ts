import { loadManifest } from "../../../layers/model/bundle.js";
import { sharp } from "../../../layers/model/libvips.js";
import { readRequest } from "../../../layers/model/segmenter.js";
import type { Pipeline } from "../../../layers/pipeline/cloud-contracts.js";
import type { RunRequest } from "../../../layers/pipeline/contracts.js";
import { intake } from "../../../layers/pipeline/intake.js";
import { plan } from "../../../layers/pipeline/plan.js";
import type { RunStores } from "../../../layers/pipeline/ports.js";
import { tinyBundle } from "../../model/pictures.js";

/** The pipeline that a stack would be configured with, on the small bundle of the tests. */
export async function tinyPipeline(): Promise<Pipeline> {
  const manifest = await loadManifest(tinyBundle);
  const { name, version, tasks, graph } = manifest;
  const task = tasks[0] as string;
  const { parameters } = readRequest({ task, formats: [], parameters: { superpixels: 12 } }, manifest);
  const model = { name, version, sha256: graph.sha256, tasks: [...tasks] };
  return { name: "tiny", model, task, parameters: { ...parameters }, formats: [] };
}

/** A PNG that differs for each seed. */
export function picture(seed: number, width = 48, height = 32): Promise<Buffer> {
  const channels = 3;
  const data = Buffer.alloc(width * height * channels);
  for (let i = 0; i < data.length; i++) data[i] = (i * (seed + 3) + (i >> 5) * 17) & 255;
  return sharp(data, { raw: { width, height, channels } }).png().toBuffer();
}

/** Pictures in uploads, and a run of one shard over them in staging, as intake and plan leave it. */
export async function plannedRun(
  stores: RunStores,
  pipeline: Pipeline,
  options: {
    readonly pictures: number;
    readonly broken?: number;
    readonly size?: readonly [number, number];
    readonly below?: string;
  },
): Promise<RunRequest> {
  const { pictures, broken = 0, size = [48, 32], below = "in/" } = options;
  const name = (i: number) => `${below}${String(i).padStart(3, "0")}.png`;
  for (let i = 0; i < pictures; i++) await stores.uploads.put(name(i), await picture(i, ...size));
  for (let i = 0; i < broken; i++) await stores.uploads.put(name(pictures + i), new TextEncoder().encode("no picture"));
  const { model, task, parameters, formats } = pipeline;
  const source = { kind: "prefix", prefix: "" } as const;
  const request = await intake({ stores, source, model, task, parameters, formats });
  await plan({ stores, request });
  return request;
}
