// Writes the README's numbers from what was measured, so that none is typed by hand:
//   node scripts/numbers.mjs            fills README.md between its two marks
//   node scripts/numbers.mjs --check    fails when README.md does not say what the measurements say
// Sources: training/results/*.json (quality, by training/clustseg) and docs/measurements/*.json (speed, by bench/).
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const read = (path) => (existsSync(at(path)) ? JSON.parse(readFileSync(at(path), "utf8")) : undefined);

const table = (head, rows, align = head.map((_, i) => (i === 0 ? "---" : "--:"))) =>
  [head, align, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/** A peer's figure at `found` segments, between its two nearest measurements. */
function atFound(rows, found, key) {
  const sorted = [...rows].sort((a, b) => a.found - b.found);
  for (let i = 1; i < sorted.length; i++) {
    const [low, high] = [sorted[i - 1], sorted[i]];
    if (low.found <= found && found <= high.found && high.found > low.found) {
      return low[key] + ((found - low.found) / (high.found - low.found)) * (high[key] - low[key]);
    }
  }
  return undefined;
}

const quality = (asa, br, co) => (asa === undefined ? "–" : `${asa.toFixed(3)} / ${br.toFixed(3)} / ${co.toFixed(2)}`);

function qualitySection() {
  const ours = read("training/results/clustseg-bsds500-test.json");
  const peers = read("training/results/peers-bsds500-test.json");
  if (!ours || !peers) return "";
  const rows = ours.rows.filter(({ asked }) => [100, 300, 600, 1000].includes(asked));
  const lines = [
    ["**ClustSeg**", ...rows.map(({ asa, br, co }) => `**${quality(asa, br, co)}**`)],
    ...peers.peers.map((peer) => [
      `${peer.name} (${peer.package})`,
      ...rows.map(({ found }) => quality(...["asa", "br", "co"].map((key) => atFound(peer.rows, found, key)))),
    ]),
  ];
  return [
    "### Superpixels",
    `${ours.data} ${ours.split}, ${ours.images} images, means over images and annotators; ASA / boundary recall (2 px) / compactness ` +
      `at equal numbers of segments *found* (K asked: ${rows.map(({ asked }) => asked).join(", ")}); peers interpolated between measurements.`,
    table([`segments found`, ...rows.map(({ found }) => Math.round(found))], lines),
    "![ASA, boundary recall, compactness and undersegmentation error over segments found](docs/images/superpixel-curves.png)",
    "Made by `python -m clustseg.evaluate`, `clustseg.study.peers` and `clustseg.study.curves` in [training/](training/README.md); " +
      "more figures and the ablation are in the [model card](models/clustseg-superpixel/README.md).",
  ].join("\n\n");
}

const percent = (value) => value.toFixed(3);

/** One line a bundle that has classes: what it was measured on, and its figures. */
function maskSection() {
  const result = (name) => read(`training/results/${name}.json`);
  const lines = [];
  const street = result("clustseg-street-camvid-test");
  if (street) {
    const { figures } = street.tasks.semantic;
    lines.push([
      "`clustseg-street`",
      "semantic",
      where(street),
      `mIoU **${percent(figures.miou)}**, 11 classes; pixel accuracy ${percent(figures.pixel_accuracy)}`,
    ]);
  }
  const nuclei = result("clustseg-nuclei-dsb2018-val");
  if (nuclei) {
    const { figures } = nuclei.tasks.instance;
    lines.push([
      "`clustseg-nuclei`",
      "instance",
      where(nuclei),
      `AP50 **${percent(figures.ap50)}**, mean over IoU .5 to .95 **${percent(figures.map)}** (as the 2018 Data Science Bowl counts)`,
    ]);
  }
  const photo = result("clustseg-photo-voc-val");
  if (photo) {
    const { panoptic, semantic } = photo.tasks;
    lines.push([
      "`clustseg-photo`",
      "panoptic",
      where(photo),
      `PQ **${percent(panoptic.figures.pq_things)}** over person, cat, dog, horse, cow, sheep`,
    ]);
    lines.push([
      "",
      "semantic",
      where(photo),
      `mIoU **${percent(semantic.figures.miou)}** over these six and background`,
    ]);
    const superpixels = result("clustseg-photo-bsds500-test");
    const row = superpixels?.rows.find(({ asked }) => asked === 300);
    if (row) {
      const shown = quality(row.asa, row.br, row.co);
      lines.push([
        "",
        "superpixel",
        `${superpixels.data} ${superpixels.split}, ${superpixels.images} images`,
        `${shown} at ${Math.round(row.found)} segments found (ASA / boundary recall / compactness)`,
      ]);
    }
  }
  if (lines.length === 0) return "";
  return [
    "### Semantic, instance, panoptic",
    table(["bundle", "task", "measured on", ""], lines, ["---", "---", "---", "---"]),
    "Trained on train, chosen on val; where a set has no test split, val is reported, and so also chosen on. Per class, per kind of image, and " +
      "what was trained for how long: the model cards of [street](models/clustseg-street/README.md), [nuclei](models/clustseg-nuclei/README.md), " +
      "[photo](models/clustseg-photo/README.md). Commands: `python -m clustseg.evaluate`, in [training/](training/README.md).",
  ].join("\n\n");
}

const where = ({ data, split, images }) => `${data} ${split}, ${images} images`;

function speedSection() {
  const slic = read("docs/measurements/superpixels-vs-slic.json");
  const whole = read("docs/measurements/end-to-end.json");
  const memory = read("docs/measurements/memory.json");
  const large = read("docs/measurements/large-image.json");
  const plan = read("docs/measurements/plan.json");
  const others = ["street", "nuclei", "photo"].flatMap(
    (name) => read(`docs/measurements/end-to-end-clustseg-${name}.json`) ?? [],
  );
  const coco = read("docs/measurements/superpixels-to-coco.json");
  const panoptic = read("docs/measurements/panoptic-vs-transformersjs.json");
  const formats = read("docs/measurements/formats.json");
  const parts = [];
  if (slic) {
    const asked = [...new Set(slic.one_thread.map(({ superpixels }) => superpixels))];
    const methods = [...new Set(slic.one_thread.map(({ method }) => method))];
    const cell = (method, k) => {
      const row = slic.one_thread.find((one) => one.method === method && one.superpixels === k);
      if (!row) return "–";
      return row.ratio_to_slic === undefined ? `${row.ms} ms` : `${row.ms} ms (${row.ratio_to_slic})`;
    };
    parts.push(
      `Pixels in memory to connected labels in memory, ${slic.size.join(" x ")}, one thread each, in turns: median, and in brackets the ` +
        `ratio to scikit-image's SLIC (\`npm run bench -- superpixels-vs-slic\`).`,
      table(
        ["K asked", ...asked],
        methods.map((method) => [method, ...asked.map((k) => cell(method, k))]),
      ),
    );
  }
  if (panoptic?.transformersjs) {
    const sizes = [...new Set(panoptic.runs.map((run) => run.long_side))];
    const row = (threads, side, key) =>
      sizes.map((size) => {
        const run = panoptic.runs.find((one) => one.long_side === size && one.threads === threads);
        const { images_per_second: rate, peak_rss_mib: peak } = run.sides.find((one) => one.side === side);
        return `${rate} images/s, ${Math.round(peak)} MiB${key === undefined ? "" : ` (**${run[key]}**)`}`;
      });
    parts.push(
      `Panoptic, pixels in memory to the segment map, against transformers.js ${panoptic.transformersjs} post-processing the logits of the same ` +
        `network (${panoptic.data}, ${panoptic.settings.images} images): images/s, peak memory, and in brackets the median ratio of images/s ` +
        `(\`npm run bench -- panoptic-vs-transformersjs\`).`,
      table(
        ["long side of the image", ...sizes.map((size) => `${size} px`)],
        [...new Set(panoptic.runs.map(({ threads }) => threads))].flatMap((threads) => {
          const with_ = threads === 1 ? "1 thread" : `${threads} threads`;
          return [
            [`ClustSeg, ${with_}`, ...row(threads, "ClustSeg", "ratio")],
            [`transformers.js, ${with_}`, ...row(threads, "transformers.js")],
          ];
        }),
      ),
    );
    const missed = panoptic.runs.filter(({ ratio }) => ratio < 2);
    if (missed.length > 0) {
      const where = missed.map(
        (run) => `at ${run.long_side} pixels with ${run.threads === 1 ? "1 thread" : `${run.threads} threads`}`,
      );
      parts.push(
        `The goal of twice as many images a second is missed ${where.join(" and ")}: there the graph, the same for both, is most of the time.`,
      );
    }
  }
  const lines = [];
  for (const one of [whole, ...others].filter(Boolean)) {
    const bundle = one.model.split(" ")[0];
    lines.push([
      `folder to folder / bare \`session.run\` loop, images/s: \`${bundle}\`, ${one.task ?? "superpixel"}, ${one.settings.images} images of ${one.data}`,
      one.ratio,
      bundle === "clustseg-superpixel" ? "`end-to-end`" : `\`end-to-end --bundle ${bundle}\``,
    ]);
  }
  for (const row of coco?.rows.filter((one) => one.method === "ClustSeg" && one.ratio !== undefined) ?? []) {
    lines.push([
      `image file to COCO JSON, K = ${row.superpixels}: time / scikit-image's SLIC and pycocotools`,
      `${row.ms} ms (${row.ratio})`,
      "`superpixels-to-coco`",
    ]);
  }
  const rle = formats?.steps.find(({ step }) => step === "COCO RLE of a megapixel");
  if (rle) lines.push(["COCO RLE of a megapixel", `${Math.max(...Object.values(rle.ms)).toFixed(1)} ms`, "`formats`"]);
  if (slic?.k1000_to_k100) lines.push(["time at K = 1,000 / at K = 100", slic.k1000_to_k100, "`superpixels-vs-slic`"]);
  if (memory) {
    lines.push([
      `memory over ${memory.settings.images} images: last quarter's maximum / second quarter's (peak ${Math.round(memory.peak_mib)} MiB)`,
      memory.last_to_second_quarter,
      "`memory`",
    ]);
  }
  for (const run of large?.runs ?? []) {
    lines.push([
      `${((large.size[0] * large.size[1]) / 1e6).toFixed(0)} megapixels, K = ${run.superpixels}: peak memory`,
      `${Math.round(run.peak_rss_mib)} MiB, ${run.seconds} s`,
      "`large-image`",
    ]);
  }
  const million = plan?.runs.find(({ images, results }) => images === 1_000_000 && results === "none");
  if (million) {
    lines.push([
      `intake and plan of 1,000,000 images (time an image: ${plan.linearity.none} of that for 100,000)`,
      `${(million.intake_seconds + million.plan_seconds).toFixed(1)} s, ${Math.round(million.peak_rss_mib)} MiB`,
      "`plan`",
    ]);
  }
  if (lines.length > 0) parts.push(table(["", "measured", "`npm run bench --`"], lines, ["---", "--:", "---"]));
  const machine = (slic ?? whole)?.machine;
  if (machine)
    parts.push(
      `On ${machine.cores} cores of ${machine.cpu}, Node ${machine.node}, onnxruntime ${machine.onnxruntime}, CPU only.`,
    );
  return parts.length > 0 ? ["### Speed and memory", ...parts].join("\n\n") : "";
}

/** The text between the marks, made anew. */
export function numbers() {
  return `\n${[maskSection(), qualitySection(), speedSection()].filter(Boolean).join("\n\n")}\n`;
}

const start = "<!-- numbers:start -->";
const end = "<!-- numbers:end -->";

/** README.md as it is, and as the measurements say that it should be. */
export function readme() {
  const is = readFileSync(at("README.md"), "utf8");
  const from = is.indexOf(start) + start.length;
  const to = is.indexOf(end);
  if (from < start.length || to < from) throw new Error(`README.md lacks the marks ${start} and ${end}`);
  return { is, should: is.slice(0, from) + numbers() + is.slice(to) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { is, should } = readme();
  if (process.argv.includes("--check")) {
    if (is !== should) {
      console.error("README.md does not say what was measured: run `node scripts/numbers.mjs`");
      process.exit(1);
    }
  } else writeFileSync(at("README.md"), should);
}
