import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, expect, vi } from "vitest";
import { ensureBuilt } from "../../scripts/build.mjs";

/** A real browser for tests, and what every page in it is held to. */

const candidates = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

function chromiumPath(): string {
  const found = [process.env["CHROMIUM"], ...candidates].find((one) => one !== undefined && existsSync(one));
  if (found !== undefined) return found;
  throw new Error("Chromium is not here. Install it (apt-get install -y chromium), or name it in CHROMIUM.");
}

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface OpenOptions extends BrowserContextOptions {
  /** Wait until all of the index is in. @default true */
  readonly loaded?: boolean;
}

interface Told {
  readonly violations: string[];
  readonly errors: string[];
  /** Addresses at other places than the page's own. */
  readonly elsewhere: string[];
}

/**
 * One browser for the tests of a `describe`, to be called in it. After each test every page must have been without a violation
 * of its content security policy, without an error, and without a request to another place.
 */
export function useBrowser() {
  // A browser that shares its processors with other work is slow, and that is no failure.
  vi.setConfig({ testTimeout: 90_000 });
  let browser: Browser;
  const pages = new Map<Page, Told>();

  beforeAll(async () => {
    await ensureBuilt();
    browser = await chromium.launch({ executablePath: chromiumPath(), headless: true, args: flags });
  }, 60_000);
  afterAll(() => browser?.close());
  afterEach(async () => {
    const told = [...pages.values()];
    await Promise.all([...pages.keys()].map((page) => page.context().close()));
    pages.clear();
    for (const { violations, errors, elsewhere } of told) {
      expect({ violations, errors, elsewhere }).toEqual({ violations: [], errors: [], elsewhere: [] });
    }
  });

  return {
    /** What has been told of a page so far; a test that provokes something empties it. */
    told: (page: Page): Told => pages.get(page)!,
    async open(url: string, { loaded = true, ...options }: OpenOptions = {}): Promise<Page> {
      const size = { width: 1000, height: 700 };
      const context = await browser.newContext({ viewport: size, reducedMotion: "reduce", ...options });
      context.setDefaultTimeout(60_000);
      const page = await context.newPage();
      const told: Told = { violations: [], errors: [], elsewhere: [] };
      pages.set(page, told);
      await page.exposeFunction("tellViolation", (text: string) => told.violations.push(text));
      await page.addInitScript(() => {
        document.addEventListener("securitypolicyviolation", (event) => {
          const tell = (globalThis as unknown as { tellViolation(text: string): void }).tellViolation;
          tell(`${event.violatedDirective} ${event.blockedURI}`);
        });
      });
      page.on("pageerror", ({ message }) => told.errors.push(message));
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") told.errors.push(message.text());
      });
      page.on("request", (request) => {
        if (!request.url().startsWith(new URL(url).origin)) told.elsewhere.push(request.url());
      });
      await page.goto(url);
      if (loaded) await page.waitForSelector("body[data-loaded]", { timeout: 60_000 });
      return page;
    },
  };
}

/** Open an image by its address, and wait until it is drawn. */
export async function openImage(page: Page, key: string): Promise<void> {
  await page.evaluate(
    (hash) => {
      location.hash = hash;
    },
    `#/image/${encodeURIComponent(key)}`,
  );
  await page.waitForFunction(
    (wanted) => document.querySelector<HTMLElement>("#image-view")?.dataset["shown"] === wanted,
    key,
  );
  await settled(page);
}

/** What was asked to be drawn has been, and in full. */
export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector("#panes[data-moving]") === null);
  await twoFrames(page);
}

async function twoFrames(page: Page): Promise<void> {
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}

/** The colour of a canvas of the first pane at parts of its width and height, as [red, green, blue, alpha]. */
export async function pixelAt(page: Page, canvas: "base" | "fill" | "marks", u: number, v: number, pane = 0) {
  return page.evaluate(
    ({ canvas, u, v, pane }) => {
      const element = document.querySelectorAll<HTMLCanvasElement>(`.pane canvas.${canvas}`)[pane]!;
      const x = Math.min(element.width - 1, Math.floor(u * element.width));
      const y = Math.min(element.height - 1, Math.floor(v * element.height));
      // By way of a canvas of the test's own: the page's are not made for being read.
      const probe = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true })!;
      probe.drawImage(element, -x, -y);
      return [...probe.getImageData(0, 0, 1, 1).data];
    },
    { canvas, u, v, pane },
  );
}

/** What a pane shows, without the words and buttons over it: its canvases, one on the other, as a PNG. */
export async function pictureOf(page: Page, pane = 0): Promise<Buffer> {
  const address = await page.evaluate((at) => {
    const canvases = [...document.querySelectorAll(".pane")[at]!.querySelectorAll("canvas")];
    const whole = document.createElement("canvas");
    whole.width = canvases[0]!.width;
    whole.height = canvases[0]!.height;
    const context = whole.getContext("2d")!;
    for (const canvas of canvases) if (getComputedStyle(canvas).opacity !== "0") context.drawImage(canvas, 0, 0);
    return whole.toDataURL("image/png");
  }, pane);
  return Buffer.from(address.slice(address.indexOf(",") + 1), "base64");
}

const pictures = fileURLToPath(new URL("./pictures/", import.meta.url));

/**
 * Compare a picture with the one that was committed. Browsers differ a little in how they scale and round, so a few pixels may
 * differ much and all a little; what is drawn elsewhere, or in another colour, is more than that.
 * CLUSTSEG_UPDATE_PICTURES=1 writes it anew: look at it before you commit it.
 */
export async function expectPicture(name: string, png: Buffer): Promise<void> {
  const file = path.join(pictures, `${name}.png`);
  if (process.env["CLUSTSEG_UPDATE_PICTURES"] === "1") {
    await mkdir(pictures, { recursive: true });
    await writeFile(file, await sharp(png).removeAlpha().png({ compressionLevel: 9, palette: true }).toBuffer());
  }
  const { mean, far } = await difference(png, await readFile(file));
  expect({ name, mean: mean < 4, far: far < 0.01 }, `mean ${mean}, far ${far}`).toEqual({
    name,
    mean: true,
    far: true,
  });
}

/** Mean difference of the samples, and the part of pixels that differ by more than 40 of 255 in one of them. */
export async function difference(a: Buffer, b: Buffer): Promise<{ mean: number; far: number }> {
  const [one, other] = await Promise.all(
    [a, b].map((png) => sharp(png).removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true })),
  );
  expect([one!.info.width, one!.info.height]).toEqual([other!.info.width, other!.info.height]);
  let sum = 0;
  let far = 0;
  for (let i = 0; i < one!.data.length; i += 3) {
    let most = 0;
    for (let c = i; c < i + 3; c++) {
      const d = Math.abs(one!.data[c]! - other!.data[c]!);
      sum += d;
      most = Math.max(most, d);
    }
    if (most > 40) far++;
  }
  return { mean: sum / one!.data.length, far: (3 * far) / one!.data.length };
}

/** Where a pixel of the image lies in the window, while the whole image is shown. */
export async function pointOf(page: Page, x: number, y: number, frame: { width: number; height: number }, pane = 0) {
  const box = (await page.locator(".pane .canvases").nth(pane).boundingBox())!;
  const scale = Math.min(box.width / frame.width, box.height / frame.height);
  return {
    x: box.x + box.width / 2 + (x + 0.5 - frame.width / 2) * scale,
    y: box.y + box.height / 2 + (y + 0.5 - frame.height / 2) * scale,
  };
}
