// Draws docs/images/tasks.jpg, the README's picture: four tasks by four models on four examples: node scripts/readme-picture.mjs
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";

const at = (file) => fileURLToPath(new URL(`../${file}`, import.meta.url));
const [width, height, gap] = [630, 420, 8];
const panels = [
  ["coffee.jpg", "--superpixels", "250"],
  ["street.jpg", "--model", "clustseg-street"],
  ["tissue.jpg", "--model", "clustseg-nuclei"],
  ["cat.jpg", "--model", "clustseg-photo", "--task", "panoptic"],
];

const work = mkdtempSync(path.join(tmpdir(), "clustseg-picture-"));
const pictures = [];
for (const [i, [name, ...options]] of panels.entries()) {
  const out = path.join(work, String(i));
  const command = ["segment", at(`examples/images/${name}`), "--overlay", "--out", out, "--quiet", ...options];
  execFileSync(process.execPath, [at("bin/clustseg.mjs"), ...command]);
  pictures.push({
    input: await sharp(path.join(out, name, "overlay.png"))
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
