import { processOwner } from "../../bin/jobs/process-owner.js";
import { runPipeline } from "../../layers/pipeline/run.js";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { blockSegmenter } from "./block-segmenter.js";

/** What kill.test.ts starts and kills: one run over folders. Arguments: source, out, concurrency. */
const [source = "", out = "", concurrency = "2"] = process.argv.slice(2);
const abort = new AbortController();
process.once("SIGTERM", () => abort.abort());

const { status, report } = await runPipeline({
  stores: {
    uploads: new FolderStore(source, { exclude: [out] }),
    staging: new FolderStore(`${out}/.clustseg`),
    results: new FolderStore(out),
  },
  segmenter: blockSegmenter({ delayMs: (bytes) => (bytes[0] ?? 0) % 7 }),
  source: { kind: "prefix", prefix: "" },
  task: "superpixel",
  parameters: { block: 8 },
  formats: ["overlay"],
  owner: processOwner(),
  concurrency: Number(concurrency),
  packItems: 4,
  shardItems: 50,
  signal: abort.signal,
  onEvent: ({ type }) => {
    if (type === "item") process.stdout.write(".");
  },
});
process.stdout.write(`\n${JSON.stringify({ status, items: report.items })}\n`);
