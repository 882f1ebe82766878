// Draws docs/images/tasks.jpg, the README's picture: four tasks by four models:
//
//     CLUSTSEG_DATA=<folder of the data> node scripts/readme-picture.mjs
//
// The nuclei are an image of DSB 2018 (BBBC038, CC0); the others are examples of this repository.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";

const at = (file) => fileURLToPath(new URL(`../${file}`, import.meta.url));
const [width, height, gap] = [630, 420, 8];
const data = process.env.CLUSTSEG_DATA;
if (data === undefined) throw new Error("CLUSTSEG_DATA is not set: give the folder that holds dsb2018/");
const panels = [
  [at("examples/images/coffee.jpg"), "--superpixels", "250"],
  [at("examples/images/street.jpg"), "--model", "clustseg-street"],
  [path.join(data, "dsb2018/val/images/212b858a66f0d237.png"), "--model", "clustseg-nuclei"],
  [at("examples/images/cat.jpg"), "--model", "clustseg-photo", "--task", "panoptic"],
];

const work = mkdtempSync(path.join(tmpdir(), "clustseg-picture-"));
const pictures = [];
for (const [i, [image, ...options]] of panels.entries()) {
  const out = path.join(work, String(i));
  const command = ["segment", image, "--overlay", "--out", out, "--quiet", ...options];
  execFileSync(process.execPath, [at("bin/clustseg.mjs"), ...command]);
  pictures.push({
    input: await sharp(path.join(out, path.basename(image), "overlay.png"))
      .resize(width, height, { fit: "cover", position: "north" })
      .toBuffer(),
    left: (i % 2) * (width + gap),
    top: Math.floor(i / 2) * (height + gap),
  });
}
await sharp({ create: { width: 2 * width + gap, height: 2 * height + gap, channels: 3, background: "white" } })
  .composite(pictures)
  .jpeg({ quality: 84, mozjpeg: true })
  .toFile(at("docs/images/tasks.jpg"));
rmSync(work, { recursive: true });
