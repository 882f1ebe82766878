import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sharp } from "../../layers/model/libvips.js";
import { SetupError } from "./bench.js";
import { root } from "./result.js";

export interface Photographs {
  /** For tables and JSON: what they are, without where they lie. */
  readonly name: string;
  readonly files: readonly string[];
}

/** The 200 test images of BSDS500 below $CLUSTSEG_DATA where that is set, else the JPEGs of examples/. */
export async function photographs(): Promise<Photographs> {
  const data = process.env["CLUSTSEG_DATA"];
  if (data === undefined || data === "") {
    return { name: "examples", files: await exampleJpegs() };
  }
  return { name: "BSDS500 test", files: await jpegsOf(join(data, "bsds500", "test", "images")) };
}

export async function exampleJpegs(): Promise<string[]> {
  return jpegsOf(join(root, "examples", "images"));
}

async function jpegsOf(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new SetupError(`${folder} cannot be listed; $CLUSTSEG_DATA must be the folder that holds bsds500/`, {
      cause,
    });
  });
  const files = names.filter((name) => name.endsWith(".jpg")).sort();
  if (files.length === 0) throw new SetupError(`there are no JPEGs in ${folder}`);
  return files.map((name) => join(folder, name));
}

/** `count` of the files, evenly spread; from the start again when there are fewer. */
export function pick(files: readonly string[], count: number): string[] {
  return Array.from({ length: count }, (_, i) =>
    count > files.length ? files[i % files.length]! : files[Math.floor((i * files.length) / count)]!,
  );
}

/** Copies files into `folder` under names whose order is theirs. */
export async function copyInOrder(files: readonly string[], folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [i, file] of files.entries()) await copyFile(file, join(folder, `${String(i).padStart(5, "0")}.jpg`));
}

/** Gives `work` a folder that is removed when it ends, however it ends. */
export async function withTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "clustseg-bench-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  /** Interleaved RGB. */
  readonly data: Uint8Array;
}

/** Pictures of exactly this size: photographs that have it, else photographs cut to it. */
export async function picturesOf(files: readonly string[], width: number, height: number): Promise<RgbPicture[]> {
  const pictures: RgbPicture[] = [];
  for (const file of files) {
    const { data } = await sharp(await readFile(file))
      .autoOrient()
      .resize(width, height, { fit: "cover" })
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true });
    pictures.push({ width, height, data: new Uint8Array(data) });
  }
  return pictures;
}

/** The photographs among `files` that are as large as this; all of them if none is. */
export async function ofSize(files: readonly string[], width: number, height: number): Promise<string[]> {
  const fitting: string[] = [];
  for (const file of files) {
    const metadata = await sharp(await readFile(file)).metadata();
    if (metadata.width === width && metadata.height === height) fitting.push(file);
  }
  return fitting.length > 0 ? fitting : [...files];
}
