// Makes examples/images. The drawn ones need nothing; the photographs are cut from originals (examples/README.md says where
// each comes from), laid into one folder under the names below:
//   node scripts/make-examples.mjs [folder of originals]
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { cells } from "./examples/cells.mjs";
import { fields } from "./examples/fields.mjs";
import { street } from "./examples/street.mjs";

const into = (name) => fileURLToPath(new URL(`../examples/images/${name}`, import.meta.url));
const jpeg = { quality: 88, mozjpeg: true };

/** A drawing (width, height) -> (x, y) -> RGB in [0, 1], as an image. */
function paint(drawing, width, height) {
  const colorAt = drawing(width, height);
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      colorAt(x, y).forEach((value, c) => {
        pixels[(y * width + x) * 3 + c] = Math.round(value * 255);
      });
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

const drawn = {
  "street.jpg": () => paint(street, 780, 520).jpeg(jpeg),
  "fields.webp": () => paint(fields, 760, 570).webp({ quality: 80 }),
  "tissue.jpg": () => paint(cells, 640, 480).jpeg(jpeg),
};

const cut = {
  "coffee.jpg": ["coffee.png", (image) => image.jpeg(jpeg)],
  "cat.jpg": ["chelsea.png", (image) => image.jpeg(jpeg)],
  "portrait.jpg": ["astronaut.png", (image) => image.extract({ left: 64, top: 0, width: 360, height: 512 }).jpeg(jpeg)],
  "rocket.jpg": ["rocket.jpg", (image) => image.jpeg(jpeg)],
  "photographer-grey.jpg": ["camera.png", (image) => image.toColourspace("b-w").jpeg(jpeg)],
  // Lies on its side in the file; the EXIF orientation tells a reader to turn it upright.
  "meadow-rotated.jpg": [
    "seeding_by_Clements_Engelhardt.jpg",
    (image) => image.resize(800).rotate(-90).withMetadata({ orientation: 6 }).jpeg(jpeg),
  ],
  "red-sea.jpg": ["bmng.jpg", (image) => image.extract({ left: 3090, top: 830, width: 640, height: 480 }).jpeg(jpeg)],
  "cell-16bit.png": ["cell.png", deepen],
  "retina-transparent.png": ["retina.jpg", cutOut],
};

/** The part around the cell, its 8-bit greys spread over 16 bits and smoothed, so that the values between are used as well. */
async function deepen(image) {
  const part = image.extract({ left: 230, top: 190, width: 320, height: 360 }).toColourspace("b-w");
  const { data, info } = await part.raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const deep = new Uint16Array(width * height);
  const grey = (x, y) => data[Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x))];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const around = grey(x - 1, y) + grey(x + 1, y) + grey(x, y - 1) + grey(x, y + 1);
      deep[y * width + x] = Math.round(((4 * grey(x, y) + around) / 8) * 257);
    }
  }
  return sharp(deep, { raw: { width, height, channels: 1, depth: "ushort" } })
    .toColourspace("grey16")
    .png({ compressionLevel: 9 });
}

/** The round picture without the black around it: outside the circle, alpha is 0. */
async function cutOut(image) {
  const side = 280;
  const disc = Buffer.from(
    `<svg width="${side}" height="${side}"><circle cx="50%" cy="50%" r="${side / 2 - 3}"/></svg>`,
  );
  const round = await image
    .resize(side, side)
    .ensureAlpha()
    .composite([{ input: disc, blend: "dest-in" }])
    .png()
    .toBuffer();
  return sharp(round).png({ compressionLevel: 9 });
}

async function save(name, image) {
  const { width, height, size } = await image.toFile(into(name));
  console.log(`${name}  ${width} x ${height}  ${Math.round(size / 1024)} KB`);
}

for (const [name, draw] of Object.entries(drawn)) await save(name, draw());
const originals = process.argv[2];
if (originals) {
  for (const [name, [from, edit]] of Object.entries(cut)) {
    const path = join(originals, from);
    if (existsSync(path)) await save(name, await edit(sharp(path)));
    else console.log(`${name}  left as it is: ${from} is not in ${originals}`);
  }
}
