// Draws docs/images/examples.jpg, the README's picture, from what `npm start` made: node scripts/readme-picture.mjs
import { fileURLToPath } from "node:url";
import sharp from "sharp";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const names = ["street.jpg", "cat.jpg", "coffee.jpg", "meadow-rotated.jpg", "tissue.jpg", "portrait.jpg"];
const [width, height, gap] = [420, 280, 6];

const pictures = await Promise.all(
  names.map(async (name, i) => ({
    input: await sharp(at(`out/demo/results/${name}/overlay.png`))
      .resize(width, height, { fit: "cover", position: "north" })
      .toBuffer(),
    left: (i % 3) * (width + gap),
    top: Math.floor(i / 3) * (height + gap),
  })),
);
await sharp({ create: { width: 3 * width + 2 * gap, height: 2 * height + gap, channels: 3, background: "white" } })
  .composite(pictures)
  .jpeg({ quality: 82, mozjpeg: true })
  .toFile(at("docs/images/examples.jpg"));
