import type { BundleManifest } from "../../layers/model/bundle.js";
import { byteSize, count, plural, printable } from "./io.js";
import { table } from "./table.js";

/** How a model is told of: a row of all models, or all that is known of one. */

/** Characters. */
const classColumn = 26;
const pageWidth = 100;

type Metric = BundleManifest["metrics"][number];
type Classes = BundleManifest["classes"];

/**
 * The figures that stand for a task, as the README has them, by the names of model.json. A figure of superpixels is that at
 * the number of them which the product asks for.
 */
const headlines: Readonly<Record<string, readonly (readonly [name: string, label: string])[]>> = {
  superpixel: [["ASA", "ASA"]],
  semantic: [["mIoU", "mIoU"]],
  instance: [
    ["AP at IoU .5 (Data Science Bowl)", "AP50"],
    ["AP over IoU .5:.95 (Data Science Bowl)", "mean AP"],
  ],
  panoptic: [
    ["PQ", "PQ"],
    ["PQ of things", "of things"],
  ],
};

/** All models, a line for each task: within 100 columns, with the figures that tell most. */
export function modelTable(manifests: readonly BundleManifest[]): string {
  const rows = manifests.map((manifest) => {
    const { name, version, tasks, classes } = manifest;
    const figures = tasks.map((task) => headline(manifest, task));
    const names = classNames(classes, Math.max(2, tasks.length));
    return [printable(name), version, tasks.join("\n"), figures.join("\n"), names];
  });
  return table(["model", "version", "tasks", "measured", "classes"], rows);
}

/** One model: tasks, classes, what its thresholds are when none are given, each figure, licence and limits. */
export function modelLines(manifest: BundleManifest, folder: string): string[] {
  const { name, version, graph, tasks, classes, defaults, training, licence, limits } = manifest;
  const things = classes.filter(({ isthing }) => isthing);
  const stuff = classes.filter(({ isthing }) => !isthing);
  const named = (some: Classes) => some.map((one) => printable(one.name)).join(", ");
  const parameters = Object.entries(defaults).map(([parameter, value]) => `${parameter} ${value}`);
  const facts: [string, string][] = [
    ["model", `${name} ${version}, ${byteSize(graph.bytes)}, in ${printable(folder)}`],
    ["tasks", tasks.map((task, i) => (i === 0 ? `${task} (when none is asked for)` : task)).join(", ")],
    ...(things.length > 0 ? [["things", named(things)] as [string, string]] : []),
    ...(stuff.length > 0 ? [["stuff", named(stuff)] as [string, string]] : []),
    ["defaults", parameters.join(", ")],
    ["trained", printable(`on ${training.data}, ${training.split}`)],
    ["licence", printable(licence)],
    ...limits.map((limit, i): [string, string] => [i === 0 ? "limits" : "", printable(limit)]),
  ];
  const lines = facts.flatMap(([what, text]) =>
    wrapped(text, pageWidth - 10).map((line, i) => `${(i === 0 ? what : "").padEnd(8)}  ${line}`),
  );
  for (const [set, metrics] of bySet(manifest.metrics)) {
    const rows = metrics.map(({ name, at, value }) => [String(at), name, String(value)]);
    lines.push("", printable(`measured on ${set}`), table(["at", "figure", "value"], rows, [2]));
  }
  return lines;
}

/** "AP50 0.794, mean AP 0.573" */
function headline({ metrics, tasks }: BundleManifest, task: string): string {
  const own = metrics.filter(({ at }) => taskOf(at, tasks) === task);
  const found = (headlines[task] ?? []).flatMap(([name, label]) => {
    const all = own.filter((metric) => metric.name === name);
    const metric = task === "superpixel" ? (all.find(({ at }) => asked(at) === 300) ?? all[0]) : all[0];
    if (metric === undefined) return [];
    const superpixels = task === "superpixel" ? asked(metric.at) : undefined;
    return [`${label} ${metric.value.toFixed(3)}${superpixels === undefined ? "" : ` at K = ${superpixels}`}`];
  });
  if (found.length > 0) return found.join(", ");
  return own.length > 0 ? "other figures" : "none stated";
}

/** "semantic", or "superpixel, K = 300, 329 found"; a model of one task need not name it. */
function taskOf(at: Metric["at"], tasks: readonly string[]): string | undefined {
  const [first] = String(at).split(",");
  return tasks.find((task) => task === first) ?? tasks[0];
}

/** How many superpixels a figure is of: those asked for. */
function asked(at: Metric["at"]): number | undefined {
  const [, k] = /\bK = (\d+)/.exec(String(at)) ?? [];
  return k === undefined ? undefined : Number(k);
}

/** A few names a line, so many lines at most; things first, as they are what is counted. */
function classNames(classes: Classes, most: number): string {
  if (classes.length === 0) return "none";
  const names = [...classes].sort((a, b) => Number(b.isthing) - Number(a.isthing)).map(({ name }) => printable(name));
  const lines = wrapped(names.join(", "), classColumn);
  if (lines.length <= most) return lines.join("\n");
  const kept = lines.slice(0, most - 1);
  const shown = kept.join(" ").split(", ").length;
  return [...kept, `and ${count(names.length - shown)} more`].join("\n");
}

function wrapped(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Metrics by what they were measured on, in the order in which they are stated. */
function bySet(metrics: readonly Metric[]): Map<string, Metric[]> {
  const sets = new Map<string, Metric[]>();
  for (const metric of metrics) {
    const set = `${metric.data} ${metric.split}, ${plural(metric.images, "image")}`;
    sets.set(set, [...(sets.get(set) ?? []), metric]);
  }
  return sets;
}
