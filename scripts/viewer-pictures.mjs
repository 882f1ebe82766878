// The pictures of docs/viewer.md: the example images, segmented, as Chromium shows them.
//   node scripts/viewer-pictures.mjs [--model <name|dir>] [--task <name>]   of the picture of the E-steps
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import sharp from "sharp";

const root = fileURLToPath(new URL("..", import.meta.url));
const command = join(root, "bin/clustseg.mjs");
const size = { width: 1200, height: 750 };
const { values: asked } = parseArgs({
  options: { model: { type: "string", default: "clustseg-photo" }, task: { type: "string", default: "panoptic" } },
});

const folder = mkdtempSync(join(tmpdir(), "clustseg-pictures-"));
const executablePath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"].find(
  (path) => path !== undefined && existsSync(path),
);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const [few, many] = [300, 1000].map((count) => segment(`${count} superpixels`, "--superpixels", String(count)));
  await picture("gallery", [few], { colorScheme: "light" }, async (page) => {
    await page.waitForFunction(() => document.querySelectorAll(".card canvas:not([data-state=drawn])").length === 0);
  });
  await picture("compare", [few, many], { colorScheme: "dark" }, async (page) => {
    await open(page, "street.jpg");
    const box = await page.locator(".canvases").first().boundingBox();
    await page.mouse.move(box.x + box.width * 0.82, box.y + box.height * 0.55);
    await page.mouse.wheel(0, -700);
    await page.mouse.move(box.x + box.width * 0.62, box.y + box.height * 0.52);
  });
  const steps = segment(asked.task, "--formats", "steps", "--model", asked.model, "--task", asked.task);
  await picture("steps", [steps], { colorScheme: "light" }, async (page) => {
    await open(page, "cat.jpg");
    await page.locator("#step").fill("2");
    await page.locator("#step").blur();
  });
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}

/** Segment the examples; the folder of their results. */
function segment(name, ...options) {
  const out = join(folder, name);
  const args = [command, "segment", join(root, "examples/images"), "--out", out, "--quiet", ...options];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) throw new Error(`clustseg segment ${options.join(" ")} failed`);
  return out;
}

/** Serve results, bring the page into a state, and take its picture. */
async function picture(name, results, options, prepare) {
  const server = spawn(process.execPath, [command, "view", ...results, "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { url } = await new Promise((resolve) => server.stdout.once("data", (line) => resolve(JSON.parse(line))));
  const page = await browser.newPage({ viewport: size, deviceScaleFactor: 2, reducedMotion: "reduce", ...options });
  await page.goto(url);
  await page.waitForSelector("body[data-loaded]");
  await prepare(page);
  await page.waitForTimeout(1500);
  const png = await page.screenshot();
  await page.close();
  server.kill("SIGTERM");
  // Two pixels a point are for the lines; 256 colours keep the file small and lose nothing that one sees.
  const file = join(root, `docs/images/viewer-${name}.png`);
  const { width, height } = await sharp(png)
    .resize({ width: 1200 })
    .png({ palette: true, quality: 90, effort: 10 })
    .toFile(file);
  console.log(`${file.slice(root.length)}  ${width} x ${height}`);
}

async function open(page, key) {
  await page.evaluate(
    (hash) => {
      location.hash = hash;
    },
    `#/image/${encodeURIComponent(key)}`,
  );
  await page.waitForSelector(`#image-view[data-shown="${key}"]`);
}
