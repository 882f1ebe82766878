// transformers.js' image-segmentation pipeline over images, for bench/panoptic-vs-transformersjs.ts: a process that knows nothing
// but transformers.js. It is sent { folder, model, files, threads, warmUps, together, classesTo? } and answers with one message.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { env, LogLevel, pipeline, RawImage } from "@huggingface/transformers";

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

async function measure({ folder, model, files, threads, warmUps, together, classesTo }) {
  env.allowRemoteModels = false;
  env.localModelPath = `${folder}/`;
  env.logLevel = LogLevel.ERROR;
  const segmenter = await pipeline("image-segmentation", model, {
    device: "cpu",
    dtype: "fp32",
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
  });
  // Everything else as it comes; without label_ids_to_fuse it warns for each image.
  const options = { label_ids_to_fuse: new Set() };
  const read = async (file) => RawImage.fromBlob(new Blob([await readFile(file)]));
  for (const file of files.slice(0, warmUps)) await segmenter(await read(file), options);
  const graphMs = [];
  timeGraph(segmenter, graphMs);
  let [seconds, cpuSeconds, segments] = [0, 0, 0];
  for (let first = 0; first < files.length; first += together) {
    const images = await Promise.all(files.slice(first, first + together).map(read));
    const cpu = process.cpuUsage();
    const begin = performance.now();
    for (const image of images) segments += (await segmenter(image, options)).length;
    seconds += (performance.now() - begin) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    cpuSeconds += (user + system) / 1e6;
  }
  const peak = await peakRssMib();
  if (classesTo !== undefined) {
    const { label2id } = segmenter.model.config;
    for (const [i, file] of files.entries()) {
      await writeFile(join(classesTo, `${i}`), classesOf(await segmenter(await read(file), options), label2id));
    }
  }
  await segmenter.dispose();
  return { images: files.length, seconds, cpuSeconds, graphMs, segments, peak };
}

process.once("message", async (input) => {
  const result = await measure(input);
  process.send(result, () => process.disconnect());
});
