import { isBuiltin } from "node:module";
import type { Import, Sources } from "./imports.js";
import { readGlobals, readImports } from "./imports.js";

/** What a room may stand on. What is not listed here is behind a wall. */
interface Room {
  /** Other rooms of ours. `types` may be named in an `import type` only; `pipeline/ports` is that one file of a room. */
  readonly rooms?: readonly string[];
  readonly types?: readonly string[];
  /** Packages from npm. A trailing "*" takes all that begin so. */
  readonly packages?: readonly string[] | "any";
  /** Node's own modules. */
  readonly node?: readonly string[] | "any";
  /** Runs in any JavaScript engine: no `process`, no `Buffer`, no network of its own. */
  readonly pure?: boolean;
  /** Runs in a browser: its network is what the browser lets it have, but there is no `process` and no `Buffer`. */
  readonly browser?: boolean;
  /** The outer edge: the only place where the environment may be read. */
  readonly edge?: boolean;
  readonly why: string;
}

/** design.md's "Walls", as data. A path belongs to the longest name that it begins with. */
export const rooms: Readonly<Record<string, Room>> = {
  "layers/segments": {
    packages: ["zod"],
    node: [],
    pure: true,
    why: "segments is pure: it imports nothing of ours, touches no disk, no network and no native module",
  },
  "layers/pipeline": {
    rooms: ["layers/segments"],
    types: ["layers/model"],
    packages: ["zod"],
    node: ["node:crypto"],
    pure: true,
    why: "pipeline works against ports, so that the same code runs on a laptop, in the cloud and in a test without a disk",
  },
  "layers/model": {
    rooms: ["layers/segments"],
    packages: ["zod", "sharp", "onnxruntime-node"],
    node: [
      "fs",
      "fs/promises",
      "path",
      "url",
      "os",
      "crypto",
      "worker_threads",
      "buffer",
      "util",
      "events",
      "module",
      "process",
      "timers/promises",
      "perf_hooks",
      "stream",
      "stream/promises",
      "zlib",
    ].map((name) => `node:${name}`),
    why: "model turns bytes into segment maps: it knows no cloud and no pipeline, opens no socket and starts no program",
  },
  "layers/storage": {
    rooms: ["layers/segments", "layers/pipeline/ports", "layers/pipeline/keys"],
    packages: ["zod", "@aws-sdk/client-s3", "@aws-sdk/lib-storage", "@smithy/*", "chokidar"],
    node: "any",
    why: "storage implements the pipeline's ObjectStore, tells what lands in a folder, and knows nothing else of the pipeline than its keys",
  },
  "layers/viewer/page": {
    rooms: ["layers/segments"],
    types: ["layers/viewer/wire"],
    packages: [],
    node: [],
    browser: true,
    why: "the page runs in a browser: it stands on nothing of Node, on no package, and knows of the server what is in wire.ts",
  },
  "layers/viewer": {
    rooms: ["layers/segments", "layers/pipeline"],
    packages: ["zod"],
    node: "any",
    why: "viewer shows what a results store holds, against the port: it decodes nothing, runs no model and knows no cloud",
  },
  functions: {
    rooms: [
      "layers/segments",
      "layers/pipeline",
      "layers/model",
      "layers/storage",
      // What all of them need at the edge.
      "functions/environment",
      "functions/aws",
      "functions/telemetry",
      "functions/pipeline-model",
      "functions/same-model",
    ],
    packages: "any",
    node: "any",
    edge: true,
    why: "a function is thin: it stands on the layers, and on no other function",
  },
  bin: {
    rooms: ["layers/segments", "layers/pipeline", "layers/model", "layers/storage", "layers/viewer"],
    packages: "any",
    node: "any",
    edge: true,
    why: "the command line parses, calls and prints; it stands on the layers",
  },
  infra: {
    // Of model: what model.json says, for the recipes that are written out at synth.
    rooms: ["layers/segments", "layers/pipeline", "layers/model"],
    packages: "any",
    node: "any",
    edge: true,
    why: "infra describes the cloud; what runs there is named by path and never imported",
  },
};

/** Re-exports what people who install the package may use; to us it would only hide where things live. */
const publicFace = "layers/model/index.ts";
const nodeGlobals = ["process", "Buffer", "require"];
const impureGlobals = [...nodeGlobals, "fetch", "WebSocket", "XMLHttpRequest"];
const environment = ["process.env", "globalThis.process.env"];

/**
 * The room of a path, or undefined for what is outside all rooms (tests, benches, scripts). Each function is a room of its own,
 * and so is each file beside them.
 */
function roomOf(path: string): string | undefined {
  const [name] = Object.keys(rooms)
    .filter((room) => path.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length);
  return name === "functions" ? path.split("/").slice(0, 2).join("/") : name;
}

const ruleOf = (room: string): Room => rooms[room.startsWith("functions/") ? "functions" : room] as Room;

const listed = (list: readonly string[] | "any" | undefined, name: string): boolean =>
  list === "any" || (list ?? []).some((one) => (one.endsWith("*") ? name.startsWith(one.slice(0, -1)) : one === name));

const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");

function judge({ file, specifier, target, typeOnly }: Import): string | undefined {
  const room = roomOf(file);
  if (room === undefined) return undefined;
  const rule = ruleOf(room);
  if (target !== undefined) {
    if (target === publicFace) return `${file} imports ${specifier}: import from the file where the thing lives`;
    const theirs = roomOf(target);
    if (theirs === room) return undefined;
    const open = [...(rule.rooms ?? []), ...(typeOnly ? (rule.types ?? []) : [])];
    if (theirs !== undefined && open.some((one) => one === theirs || target === `${one}.ts`)) return undefined;
    return `${file} imports ${specifier} of ${theirs ?? "outside all rooms"}: ${rule.why}`;
  }
  if (isBuiltin(specifier)) {
    const name = specifier.startsWith("node:") ? specifier : `node:${specifier}`;
    return listed(rule.node, name) ? undefined : `${file} imports ${name}: ${rule.why}`;
  }
  return listed(rule.packages, packageOf(specifier)) ? undefined : `${file} imports ${specifier}: ${rule.why}`;
}

async function judgeGlobals(file: string, text: string): Promise<readonly string[]> {
  const room = roomOf(file);
  if (room === undefined) return [];
  const rule = ruleOf(room);
  const found: string[] = [];
  if (!rule.edge && (await readGlobals(text, environment)).length > 0) {
    found.push(`${file} reads process.env: only bin/, functions/ and infra/ do, once, and pass on what they parsed`);
  }
  const closed = rule.pure ? impureGlobals : rule.browser ? nodeGlobals : [];
  for (const name of await readGlobals(text, closed)) found.push(`${file} uses ${name}: ${rule.why}`);
  return found;
}

/** Rings of files that need each other at run time, each told once, from its first name in the alphabet. */
export function findCycles(imports: readonly Import[]): readonly string[] {
  const needs = new Map<string, string[]>();
  for (const { file, target, typeOnly } of imports) {
    if (target !== undefined && !typeOnly) needs.set(file, [...(needs.get(file) ?? []), target]);
  }
  const done = new Set<string>();
  const rings = new Set<string>();
  const visit = (file: string, trail: readonly string[]): void => {
    const seen = trail.indexOf(file);
    if (seen >= 0) {
      const ring = trail.slice(seen);
      const first = ring.indexOf([...ring].sort()[0] as string);
      const turned = [...ring.slice(first), ...ring.slice(0, first)];
      rings.add(`${[...turned, turned[0]].join(" -> ")} is a cycle: move what both need into a file of its own`);
      return;
    }
    if (done.has(file)) return;
    for (const next of needs.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of needs.keys()) visit(file, []);
  return [...rings];
}

/** All breaches of the walls, as sentences, in the order of the files. Empty when the walls stand. */
export async function findBreaches(sources: Sources): Promise<readonly string[]> {
  const imports = await readImports(sources);
  const globals = await Promise.all([...sources].map(([file, text]) => judgeGlobals(file, text)));
  return [...imports.map(judge).filter((breach) => breach !== undefined), ...globals.flat(), ...findCycles(imports)];
}
