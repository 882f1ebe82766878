import { mkdtemp, rm, stat, statfs, writeFile } from "node:fs/promises";
import { arch, availableParallelism, platform, release, totalmem } from "node:os";
import path from "node:path";
import { env as onnxruntime } from "onnxruntime-node";
import { loadBundle } from "../../layers/model/bundle.js";
import { decodeImage } from "../../layers/model/decode.js";
import { shippedBundles } from "../../layers/model/find-bundle.js";
import { sharp } from "../../layers/model/libvips.js";
import { probeProviders } from "../../layers/model/providers.js";
import { asClustsegError } from "../../layers/segments/errors.js";
import { isS3Address, openStore } from "../addresses/stores.js";
import { byteSize } from "../terminal/io.js";

export interface Finding {
  /** "absent": not there, and not needed. */
  readonly state: "ok" | "absent" | "bad";
  readonly what: string;
  readonly text: string;
  readonly hint?: string;
}

/** What `clustseg doctor` finds, each by trying it. */
export async function examine(out: string, cwd: string): Promise<Finding[]> {
  return [
    { state: "ok", what: "node", text: `${process.version} on ${platform()} ${release()} ${arch()}` },
    {
      state: "ok",
      what: "machine",
      text: `${availableParallelism()} cores, ${byteSize(totalmem())} of memory`,
    },
    await examineImages(),
    { state: "ok", what: "onnxruntime-node", text: onnxruntime.versions.node ?? "unknown version" },
    ...(await examineBundles()),
    ...(await examineProviders()),
    await examineOutput(out, cwd).catch((error: unknown) => broken(`output ${out}`, error)),
  ];
}

/** Encodes a small picture in each format and decodes it as images are decoded; SVG must be refused. */
async function examineImages(): Promise<Finding> {
  const picture = () => sharp({ create: { width: 16, height: 12, channels: 3, background: "#258" } });
  const formats = ["jpeg", "png", "webp", "gif", "tiff", "avif"] as const;
  const tried = await Promise.all(
    formats.map(async (format) => {
      const bytes = await picture().toFormat(format).toBuffer();
      return decodeImage(bytes).then(
        () => ({ format, works: true }),
        () => ({ format, works: false }),
      );
    }),
  );
  const svg = new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>');
  const svgRefused = await decodeImage(svg).then(
    () => false,
    () => true,
  );
  const list = (works: boolean) => tried.filter((one) => one.works === works).map(({ format }) => format);
  const broken = list(false);
  const { sharp: version, vips } = sharp.versions as { sharp?: string; vips: string };
  const fails = broken.length === 0 ? "" : `; cannot decode ${broken.join(", ")}`;
  const svgText = svgRefused ? "SVG is refused" : "SVG is decoded, which it must not be";
  const text = `${version ?? ""} with libvips ${vips}: decodes ${list(true).join(", ")}${fails}; ${svgText}`;
  if (broken.length === 0 && svgRefused) return { state: "ok", what: "sharp", text };
  return { state: "bad", what: "sharp", text, hint: "Install the packages anew: npm ci" };
}

async function examineBundles(): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const [name, folder] of await shippedBundles()) {
    const what = `model ${name}`;
    found.push(
      await loadBundle(folder).then(
        ({ manifest: { version, tasks, graph } }) => ({
          state: "ok" as const,
          what,
          text: `${version}, ${tasks.join(", ")}, ${byteSize(graph.bytes)}, its SHA-256 is right`,
        }),
        (error: unknown) => broken(what, error),
      ),
    );
  }
  if (found.length > 0) return found;
  const hint = "Get the repository's folder models, or give a bundle's folder with --model.";
  return [{ state: "bad", what: "models", text: "none ships with this installation", hint }];
}

async function examineProviders(): Promise<Finding[]> {
  try {
    const reports = await probeProviders();
    return reports.map(({ provider, works, reason = "does not work", hint }) => {
      const what = `provider ${provider}`;
      if (works) return { state: "ok", what, text: "opened the model's graph" };
      const state = provider === "cpu" ? "bad" : "absent";
      return { state, what, text: reason, ...(hint === undefined ? {} : { hint }) };
    });
  } catch (error) {
    return [broken("providers", error)];
  }
}

async function examineOutput(out: string, cwd: string): Promise<Finding> {
  const what = "output";
  if (isS3Address(out)) {
    const store = await openStore(out, cwd);
    const key = `.clustseg/doctor-${process.pid}`;
    await store.put(key, new Uint8Array(1));
    await store.delete(key);
    return { state: "ok", what, text: `${out} can be written` };
  }
  const file = await stat(path.resolve(cwd, out)).catch(() => undefined);
  if (file !== undefined && !file.isDirectory()) {
    return { state: "bad", what, text: `${out} is not a folder`, hint: "Choose another one with --out." };
  }
  const folder = await nearestFolder(path.resolve(cwd, out));
  const { bavail, bsize } = await statfs(folder);
  const free = `${byteSize(bavail * bsize)} free`;
  try {
    const probe = await mkdtemp(path.join(folder, ".clustseg-doctor-"));
    try {
      await writeFile(path.join(probe, "file"), "1");
    } finally {
      await rm(probe, { recursive: true });
    }
  } catch (error) {
    const hint = "Choose another folder with --out, or get the permission to write there.";
    return { state: "bad", what, text: `${out} cannot be written (${asClustsegError(error).message}), ${free}`, hint };
  }
  return { state: "ok", what, text: `${out} can be written, ${free}` };
}

/** The folder itself if it is there, else the one in which it would be made. */
async function nearestFolder(folder: string): Promise<string> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() || path.dirname(folder) === folder) return folder;
  return nearestFolder(path.dirname(folder));
}

function broken(what: string, error: unknown): Finding {
  const { message, hint } = asClustsegError(error);
  return { state: "bad", what, text: message.replace(/\.$/, ""), hint };
}
