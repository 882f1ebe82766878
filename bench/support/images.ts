import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, extname, join } from "node:path";
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
  if (data === undefined || data === "") return examples();
  const folder = join(data, "bsds500", "test", "images");
  const hint = "; $CLUSTSEG_DATA must be the folder that holds bsds500/";
  return { name: "BSDS500 test", files: await imagesOf(folder, [".jpg"], hint) };
}

export async function examples(): Promise<Photographs> {
  return { name: "examples", files: await exampleJpegs() };
}

export async function exampleJpegs(): Promise<string[]> {
  return imagesOf(join(root, "examples", "images"), [".jpg"]);
}

/** The images of a folder that somebody names. */
export async function picturesIn(folder: string): Promise<Photographs> {
  const kinds = [".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"];
  return { name: basename(folder), files: await imagesOf(folder, kinds) };
}

async function imagesOf(folder: string, kinds: readonly string[], hint = ""): Promise<string[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new SetupError(`${folder} cannot be listed${hint}`, { cause });
  });
  const files = names.filter((name) => kinds.includes(extname(name).toLowerCase())).sort();
  if (files.length === 0) throw new SetupError(`there are no images (${kinds.join(", ")}) in ${folder}`);
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
  for (const [i, file] of files.entries()) {
    await copyFile(file, join(folder, `${String(i).padStart(5, "0")}${extname(file).toLowerCase()}`));
  }
}

/** JPEGs of the images with so many pixels on their long side, in `folder`. */
export async function scaledJpegs(files: readonly string[], longSide: number, folder: string): Promise<string[]> {
  const scaled = files.map((_, i) => join(folder, `${String(i).padStart(5, "0")}.jpg`));
  for (const [i, file] of files.entries()) {
    const fitted = sharp(await readFile(file))
      .autoOrient()
      .resize(longSide, longSide, { fit: "inside" });
    await writeFile(scaled[i]!, await fitted.jpeg({ quality: 90 }).toBuffer());
  }
  return scaled;
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
