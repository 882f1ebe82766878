import sharp, { type OutputInfo, type Sharp } from "sharp";

/**
 * The one place that loads sharp, so that nothing can decode before its loaders are locked down.
 *
 * libvips tries its loaders by content, whatever a file is called, and among them are SVG (which follows references to
 * files and the network) and formats of its own. So all are blocked and only those for untrusted pictures are opened again, and
 * only their in-memory variants: we never hand libvips a path.
 */
const loaders = ["Jpeg", "Png", "Webp", "Tiff", "Nsgif", "Heif"].map((name) => `VipsForeignLoad${name}Buffer`);
sharp.block({ operation: ["VipsForeignLoad"] });
sharp.unblock({ operation: loaders });

// One libvips thread an image: several images are decoded and encoded at once on libuv's pool, and the graph takes the cores.
sharp.concurrency(1);
// Every image is seen once, so libvips' operation cache would only hold memory.
sharp.cache(false);

/**
 * The samples that an image of `raw()` ends in. Not by sharp's own toUint8Array, which in 0.35.5 never frees what it returns:
 * 0.9 MB for each picture of 780 x 520, and `process.memoryUsage().external` does not show it.
 */
export async function samplesOf(image: Sharp): Promise<{ readonly data: Uint8Array; readonly info: OutputInfo }> {
  const { data, info } = await image.toBuffer({ resolveWithObject: true });
  // A plain view: a Buffer's methods differ from those of a Uint8Array.
  return { data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength), info };
}

export { sharp };
