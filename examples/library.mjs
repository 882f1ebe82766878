// ClustSeg as a library: one image in, its superpixels and a picture of them out.
//   node examples/library.mjs [image] [overlay.png]
import { readFile, writeFile } from "node:fs/promises";
import { decodeImage, encodeRgbPng, openModel, overlayBoundaries, segmentTable } from "clustseg";

const [file = new URL("images/coffee.jpg", import.meta.url), overlay = "overlay.png"] = process.argv.slice(2);

const model = await openModel();
const image = await decodeImage(await readFile(file));
const { map } = await model.segment(image, { superpixels: 200 });
await model.close();

// map.ids holds one id for each pixel, row by row: 1 to map.segments.
console.log(`${map.segments} segments in ${map.width} x ${map.height} pixels`);
const [largest] = segmentTable(map, image.data).sort((a, b) => b.area - a.area);
console.log(`the largest: ${largest?.area} pixels, mean colour ${largest?.color}`);
await writeFile(overlay, await encodeRgbPng(overlayBoundaries(map, image.data), map.width, map.height));
