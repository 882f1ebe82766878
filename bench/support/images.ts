import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, extname, join, relative, resolve } from "node:path";
import { sharp } from "../../layers/model/libvips.js";
import { SetupError } from "./bench.js";
import { root } from "./result.js";

const kinds = [".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"];

export interface Photographs {
  /** For tables and JSON: what they are, without where they lie. */
  readonly name: string;
  readonly files: readonly string[];
}

/** What a bundle that ships is measured on, below $CLUSTSEG_DATA: images of its own kind, with as many objects as those have. */
const ownImages: Readonly<Record<string, { readonly name: string; readonly folder: string }>> = {
  "clustseg-superpixel": { name: "BSDS500 test", folder: "bsds500/test/images" },
  "clustseg-street": { name: "CamVid test", folder: "camvid/test/images" },
  "clustseg-nuclei": { name: "DSB 2018 val", folder: "dsb2018/val/images" },
  "clustseg-photo": { name: "VOC val", folder: "voc/val/images" },
};

/** The test images of BSDS500 below $CLUSTSEG_DATA where that is set, else the JPEGs of examples/. */
export async function photographs(): Promise<Photographs> {
  return imagesFor("clustseg-superpixel");
}

/** Images of a bundle's own kind below $CLUSTSEG_DATA; the JPEGs of examples/ without that, and for a bundle of somebody's own. */
export async function imagesFor(bundle: string): Promise<Photographs> {
  const data = process.env["CLUSTSEG_DATA"];
  const own = ownImages[bundle];
  if (data === undefined || data === "" || own === undefined) {
    return { name: "examples", files: await exampleJpegs() };
  }
  const hint = `; $CLUSTSEG_DATA must be the folder that holds ${own.folder}`;
  return { name: own.name, files: await imagesOf(join(data, own.folder), kinds, hint) };
}

export async function exampleJpegs(): Promise<string[]> {
  return imagesOf(join(root, "examples", "images"), [".jpg"]);
}

/** The images of a folder that somebody names. */
export async function picturesIn(folder: string): Promise<Photographs> {
  const data = resolve(process.env["CLUSTSEG_DATA"] ?? ".");
  const below = relative(data, resolve(folder));
  return { name: below.startsWith("..") ? basename(folder) : below, files: await imagesOf(folder, kinds) };
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
