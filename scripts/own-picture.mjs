// Draws docs/images/own.jpg, the tutorial's picture: images above, what was found in them below.
// node scripts/own-picture.mjs <images> <results> [file], after the commands of docs/train-your-own.md
import { readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";

const [images, results, out = fileURLToPath(new URL("../docs/images/own.jpg", import.meta.url))] =
  process.argv.slice(2);
if (results === undefined) {
  console.error("usage: node scripts/own-picture.mjs <images> <results> [file]");
  process.exit(2);
}
const [width, height, gap] = [320, 240, 8];
const pictures = [];
for (const [column, name] of readdirSync(images).sort().slice(0, 4).entries()) {
  for (const [row, file] of [path.join(images, name), path.join(results, name, "overlay.png")].entries()) {
    const input = await sharp(file).resize(width, height, { fit: "cover" }).toBuffer();
    pictures.push({ input, left: column * (width + gap), top: row * (height + gap) });
  }
}
const across = (pictures.length / 2) * (width + gap) - gap;
await sharp({ create: { width: across, height: 2 * height + gap, channels: 3, background: "white" } })
  .composite(pictures)
  .jpeg({ quality: 80, mozjpeg: true })
  .toFile(out);
