// transformers.js' image-segmentation pipeline over image files, for bench/panoptic-vs-transformersjs.ts: a process that knows nothing
// but transformers.js. It is sent { folder, model, threshold, files, warmUps, classesTo? } and answers with one message.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { env, LogLevel, pipeline } from "@huggingface/transformers";

/** The largest resident set of this process, MiB; see bench/support/memory.ts. */
async function peakRssMib() {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const kib = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
  return Math.round((kib === undefined ? process.resourceUsage().maxRSS : Number(kib)) / 1024);
}

/** The time that the graph itself takes, image by image. */
function timeGraph(segmenter, ms) {
  const session = segmenter.model.sessions.model;
  const run = session.run.bind(session);
  session.run = async (...given) => {
    const begin = performance.now();
    const outputs = await run(...given);
    ms.push(performance.now() - begin);
    return outputs;
  };
}

/** The class of each pixel, 255 where there is none, as bytes. */
function classesOf(segments, label2id) {
  const [first] = segments;
  if (first === undefined) return new Uint8Array();
  const classes = new Uint8Array(first.mask.data.length).fill(255);
  for (const { label, mask } of segments) {
    for (let i = 0; i < classes.length; i++) if (mask.data[i] === 255) classes[i] = label2id[label];
  }
  return classes;
}

async function measure({ folder, model, threshold, files, warmUps, classesTo }) {
  env.allowRemoteModels = false;
  env.localModelPath = `${folder}/`;
  env.logLevel = LogLevel.ERROR;
  const segmenter = await pipeline("image-segmentation", model, {
    device: "cpu",
    dtype: "fp32",
    session_options: { intraOpNumThreads: 1, interOpNumThreads: 1 },
  });
  // Everything else as it comes; without label_ids_to_fuse it warns for each image.
  const options = { subtask: null, threshold, label_ids_to_fuse: new Set() };
  const images = await Promise.all(files.map(async (file) => new Blob([await readFile(file)])));
  for (const image of images.slice(0, warmUps)) await segmenter(image, options);
  const graphMs = [];
  timeGraph(segmenter, graphMs);
  const cpu = process.cpuUsage();
  const begin = performance.now();
  let segments = 0;
  for (const image of images) segments += (await segmenter(image, options)).length;
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const peak = await peakRssMib();
  if (classesTo !== undefined) {
    const { label2id } = segmenter.model.config;
    for (const [i, image] of images.entries()) {
      await writeFile(join(classesTo, `${i}`), classesOf(await segmenter(image, options), label2id));
    }
  }
  await segmenter.dispose();
  return { images: images.length, seconds, cpuSeconds: (user + system) / 1e6, graphMs, segments, peak };
}

process.once("message", async (input) => {
  const result = await measure(input);
  process.send(result, () => process.disconnect());
});
