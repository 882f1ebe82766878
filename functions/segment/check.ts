import { readdir } from "node:fs/promises";
import path from "node:path";
import { loadManifest } from "../../layers/model/bundle.js";
import type { DecodedImage } from "../../layers/model/decoded-image.js";
import { shippedBundles } from "../../layers/model/find-bundle.js";
import { openModel } from "../../layers/model/open-model.js";

/** What came of one bundle and one of its tasks. */
export interface CheckedModel {
  readonly model: string;
  readonly task: string;
  readonly provider: "cpu" | "cuda";
  readonly segments: number;
  /** Milliseconds: to open it; of the first picture, in which a GPU's kernels are chosen; of the graph in a later one. */
  readonly ms: { readonly open: number; readonly first: number; readonly graph: number };
}

export interface CheckSettings {
  readonly provider: "cpu" | "cuda";
  readonly models?: string | undefined;
}

const size = { width: 640, height: 480 };

/**
 * Runs each bundle on a drawn picture: what shows, on the machine that jobs will run on, that image, driver and models fit.
 * @throws ClustsegError MODEL_PROVIDER_UNAVAILABLE and other MODEL_* codes
 */
export async function checkModels({ provider, models }: CheckSettings, onChecked: (checked: CheckedModel) => void) {
  for (const folder of await foldersOf(models)) {
    const began = performance.now();
    const model = await openModel(folder, { executionProviders: [provider] });
    const open = Math.round(performance.now() - began);
    try {
      for (const task of model.manifest.tasks) {
        const first = performance.now();
        const { map } = await model.segment(drawnPicture(), {}, { task });
        const firstMs = Math.round(performance.now() - first);
        const { graphMs } = await model.segment(drawnPicture(), {}, { task });
        const { name, version } = model.manifest;
        onChecked({
          model: `${name}@${version}`,
          task,
          provider: model.provider,
          segments: map.segments,
          ms: { open, first: firstMs, graph: Math.round(graphMs) },
        });
      }
    } finally {
      await model.close();
    }
  }
}

async function foldersOf(models: string | undefined): Promise<string[]> {
  if (models === undefined) return [...(await shippedBundles()).values()];
  const names = (await readdir(models)).sort();
  const folders = names.map((name) => path.join(models, name));
  for (const folder of folders) await loadManifest(folder);
  return folders;
}

/** Discs on a slope of grey: something to find, the same each time. */
function drawnPicture(): DecodedImage {
  const { width, height } = size;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inDisc = ((x % 160) - 80) ** 2 + ((y % 160) - 80) ** 2 < 55 ** 2;
      const shade = Math.floor((x * 255) / width);
      data[at++] = inDisc ? 220 : shade;
      data[at++] = inDisc ? (y * 255) / height : shade;
      data[at++] = inDisc ? 40 : 255 - shade;
    }
  }
  const frame = {
    ...size,
    orientation: 1,
    format: "png",
    space: "srgb",
    depth: "uchar",
    pages: 1,
    alpha: false,
    notes: [],
  };
  return { ...size, data, frame };
}
