import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { encodeIds } from "../../layers/model/encode.js";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { difference, expectPicture, openImage, pictureOf, pixelAt, pointOf, settled, useBrowser } from "./browser.js";
import { drawScene, type Scene, writeScene } from "./scenes.js";
import { useFolders, useViewer } from "./serve.js";

const scene = drawScene(11, 240, 160);
const frame = { width: 240, height: 160 };

function segmentOf({ segments }: Scene, category: number): number {
  return segments.findIndex((one) => one.category === category) + 1;
}

/** A pixel of a segment that has nothing but the segment around it. */
function insideOf({ ids, width, height }: Scene, id: number): { x: number; y: number } {
  const r = 4;
  for (let y = r; y < height - r; y++) {
    for (let x = r; x < width - r; x++) {
      let all = true;
      for (let dy = -r; dy <= r; dy++) for (let dx = -r; dx <= r; dx++) all &&= ids[(y + dy) * width + x + dx] === id;
      if (all) return { x, y };
    }
  }
  throw new Error(`Segment ${id} is too thin.`);
}

const chip = (page: Page) => page.locator(".chip:visible");
const list = (page: Page) => page.locator("#segments .segment .name").allTextContents();

/** Colour of the fill canvas at a pixel of the image. */
async function fillAt(page: Page, { x, y }: { x: number; y: number }, canvas: "fill" | "base" | "marks" = "fill") {
  const at = await pointOf(page, x, y, frame);
  const box = (await page.locator(".pane .canvases").first().boundingBox())!;
  return pixelAt(page, canvas, (at.x - box.x) / box.width, (at.y - box.y) / box.height);
}

describe("one image", () => {
  const folders = useFolders(async (folders) => {
    await writeScene(folders, "a.png", drawScene(10, 240, 160), { withSteps: false });
    await writeScene(folders, "b.png", scene, { withSteps: false });
    await writeScene(folders, "c.png", drawScene(12, 160, 240), { withSteps: false });
  });
  const viewer = useViewer(() => [{ name: "masks", results: new FolderStore(folders.results) }]);
  const browser = useBrowser();
  const open = async (key = "b.png") => {
    const page = await browser.open(viewer.url);
    await openImage(page, key);
    return page;
  };

  it("is the image with fill and outlines, as committed", async () => {
    const page = await open();

    await expectPicture("image", await pictureOf(page));
  });

  it("has its masks where they are, in the colours of their classes", async () => {
    const page = await open();
    for (const [category, color] of [
      [1, [112, 168, 208]],
      [2, [120, 158, 92]],
      [4, [80, 152, 112]],
    ] as const) {
      const [r, g, b, alpha] = await fillAt(page, insideOf(scene, segmentOf(scene, category)));
      for (const [i, value] of [r, g, b].entries()) expect(Math.abs(value! - color[i]!)).toBeLessThanOrEqual(2);
      expect(alpha).toBe(140);
    }
  });

  it("tells the name, score and area of what is pointed at, and marks it", async () => {
    const page = await open();
    const id = segmentOf(scene, 5);
    const inside = insideOf(scene, id);
    const { area, score } = scene.segments[id - 1]!;
    expect(await chip(page).count()).toBe(0);

    const at = await pointOf(page, inside.x, inside.y, frame);
    await page.mouse.move(at.x, at.y);
    await settled(page);

    expect(await chip(page).locator("strong").textContent()).toBe("balloon");
    const part = ((100 * area) / (240 * 160)).toFixed(1);
    expect(await chip(page).locator(".facts").textContent()).toBe(
      `score ${score.toFixed(2)} · ${area.toLocaleString("en-US")} px · ${part}% · segment ${id}`,
    );
    expect((await fillAt(page, inside, "marks"))[3]).toBeGreaterThan(0);
    // And aloud, when the pointer rests.
    await expect.poll(() => page.textContent("#live")).toContain(`balloon, score ${score.toFixed(2)}, `);
    const sky = insideOf(scene, segmentOf(scene, 1));
    expect((await fillAt(page, sky, "marks"))[3]).toBe(0);
    await page.mouse.move(5, 5);
    expect(await chip(page).count()).toBe(0);
  });

  it("has layers that keys and switches turn on and off", async () => {
    const page = await open();
    const sky = insideOf(scene, segmentOf(scene, 1));
    const isChecked = (name: string) => page.getByRole("checkbox", { name }).isChecked();

    await page.keyboard.press("2");
    await settled(page);
    expect((await fillAt(page, sky))[3]).toBe(0);
    expect(await isChecked("Fill")).toBe(false);
    await page.getByRole("checkbox", { name: "Fill" }).check();
    await page.keyboard.press("1");
    await settled(page);
    expect((await fillAt(page, sky))[3]).toBe(140);
    expect((await fillAt(page, sky, "base"))[3]).toBe(0);

    const marks = () =>
      page.evaluate(() => {
        const canvas = document.querySelector<HTMLCanvasElement>("canvas.marks")!;
        const { width, height } = canvas;
        const probe = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
        probe.drawImage(canvas, 0, 0);
        return probe.getImageData(0, 0, width, height).data.filter((value, i) => i % 4 === 3 && value > 0).length;
      });
    expect(await marks()).toBe(0);
    for (const [key, name] of [
      ["4", "Numbers"],
      ["5", "Class names"],
    ] as const) {
      await page.keyboard.press(key);
      await settled(page);
      expect(await isChecked(name)).toBe(true);
      expect(await marks()).toBeGreaterThan(100);
      await page.keyboard.press(key);
      await settled(page);
      expect(await marks()).toBe(0);
    }
    const before = await pictureOf(page);
    await page.keyboard.press("3");
    await settled(page);
    expect(await pictureOf(page)).not.toEqual(before);
  });

  it("has an opacity and colours to choose", async () => {
    const page = await open();
    const road = insideOf(scene, segmentOf(scene, 3));

    await page.getByLabel("Opacity").fill("1");
    await settled(page);
    const classColour = await fillAt(page, road);
    await page.getByRole("radio", { name: "Segment" }).check();
    await settled(page);

    expect(classColour).toEqual([150, 136, 152, 255]);
    const segmentColour = await fillAt(page, road);
    expect(segmentColour[3]).toBe(255);
    expect(segmentColour).not.toEqual(classColour);
  });

  it("shows the classes and scores that are asked for, in picture and list alike", async () => {
    const page = await open();
    expect(await list(page)).toHaveLength(scene.segments.length);
    const [sky, hill] = [1, 2].map((category) => insideOf(scene, segmentOf(scene, category)));

    await page.locator("#panel").getByRole("button", { name: "sky" }).click();
    await settled(page);
    expect(await list(page)).toEqual([`sky ${segmentOf(scene, 1)}`]);
    expect((await fillAt(page, sky!))[3]).toBe(140);
    expect((await fillAt(page, hill!))[3]).toBe(0);
    expect(await page.textContent("#segments-title")).toBe(`1 of ${scene.segments.length} segments`);

    await page.locator("#panel").getByRole("button", { name: "sky" }).click();
    await page.locator("#panel").getByRole("slider", { name: "Score" }).fill("0.8");
    await settled(page);
    const sure = scene.segments.filter(({ score }) => score >= 0.8).length;
    expect(sure).toBeLessThan(scene.segments.length);
    expect(await list(page)).toHaveLength(sure);
  });

  it("is one of a row that keys lead along", async () => {
    const page = await open();
    const shown = () => page.evaluate(() => document.querySelector<HTMLElement>("#image-view")!.dataset["shown"]);
    await page.keyboard.press("ArrowRight");
    await page.waitForSelector("[data-shown='c.png']");
    expect(await page.textContent("#position")).toBe("3 of 3");
    await page.keyboard.press("ArrowRight");
    await settled(page);
    expect(await shown()).toBe("c.png");
    await page.getByRole("button", { name: "Previous image" }).click();
    await page.waitForSelector("[data-shown='b.png']");
    await page.goBack();
    await page.waitForSelector("[data-shown='c.png']");
    expect(await page.title()).toBe("c.png – ClustSeg");
  });

  it("is walked through segment by segment, and each is said aloud", async () => {
    const page = await open();
    await page.locator("#panes").focus();
    const order = [...scene.segments.entries()].sort(([i, a], [j, b]) => b.area - a.area || i - j).map(([i]) => i + 1);

    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await settled(page);

    const second = order[1]!;
    expect(await page.locator("#segments [aria-selected=true]").getAttribute("data-id")).toBe(String(second));
    expect(await page.locator("#segments").getAttribute("aria-activedescendant")).toBe(`segment-${second}`);
    expect(await page.locator("#live").textContent()).toMatch(
      new RegExp(`score 0\\.\\d\\d, [\\d,]+ px, [\\d.]+%, segment ${second}$`),
    );
    expect((await fillAt(page, insideOf(scene, second), "marks"))[3]).toBeGreaterThan(0);

    await page.keyboard.press("Escape");
    await settled(page);
    expect(await page.locator("#segments [aria-selected=true]").count()).toBe(0);
    expect(await page.locator("#live").textContent()).toBe("");
    await page.keyboard.press("Escape");
    await page.waitForSelector("#gallery-view:not([hidden])");
  });

  it("chooses a segment by a click, in the picture and in the list", async () => {
    const page = await open();
    const id = segmentOf(scene, 3);
    const { x, y } = insideOf(scene, id);
    const at = await pointOf(page, x, y, frame);

    await page.mouse.click(at.x, at.y);
    await settled(page);
    expect(await page.locator("#segments [aria-selected=true]").getAttribute("data-id")).toBe(String(id));

    await page.locator("#segments .segment").first().click();
    await settled(page);
    expect(await page.locator("#segments [aria-selected=true] .name").textContent()).toMatch(/^(sky|hill)/);
  });

  it("is zoomed around the pointer and moved, by wheel, drag and keys", async () => {
    const page = await open();
    const zoom = () => page.locator("#panes").getAttribute("data-zoom").then(Number);
    const balloon = insideOf(scene, segmentOf(scene, 5));
    const at = await pointOf(page, balloon.x, balloon.y, frame);
    await page.mouse.move(at.x, at.y);

    await page.mouse.wheel(0, -600);
    await settled(page);
    expect(await zoom()).toBeGreaterThan(3);
    // What was under the pointer still is.
    await page.mouse.move(at.x + 1, at.y);
    expect(await chip(page).locator("strong").textContent()).toBe("balloon");
    await expectPicture("image-zoomed", await pictureOf(page));

    const before = await pictureOf(page);
    await page.mouse.down();
    await page.mouse.move(at.x + 60, at.y + 40, { steps: 4 });
    await page.mouse.up();
    await settled(page);
    const dragged = await pictureOf(page);
    expect(dragged).not.toEqual(before);
    // A drag chooses nothing.
    expect(await page.locator("#segments [aria-selected=true]").count()).toBe(0);

    await page.keyboard.press("Shift+ArrowLeft");
    await settled(page);
    expect(await pictureOf(page)).not.toEqual(dragged);
    await page.keyboard.press("-");
    const less = await zoom();
    await page.keyboard.press("+");
    expect(await zoom()).toBeGreaterThan(less);
    await page.keyboard.press("0");
    expect(await zoom()).toBe(1);
  });

  it("is painted with fewer pixels while it moves on a large screen, in the same place", async () => {
    const page = await browser.open(viewer.url, { viewport: { width: 1900, height: 1300 }, deviceScaleFactor: 2 });
    await openImage(page, "b.png");
    await settled(page);
    await page.getByLabel("Opacity").fill("1");
    await settled(page);
    // On a busy machine the 150 ms after which it is painted in full may be over before the next frame: then once more.
    const moving = await page.evaluate(async () => {
      const panes = document.querySelector("#panes")!;
      const canvases = panes.querySelector(".canvases")!;
      const nextFrame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      for (let attempt = 0; attempt < 40; attempt++) {
        const deltaY = attempt % 2 === 0 ? -300 : 280;
        const wheel = new WheelEvent("wheel", { deltaY, clientX: 600, clientY: 500, cancelable: true });
        canvases.dispatchEvent(wheel);
        await nextFrame();
        const isMoving = panes.matches("[data-moving]");
        if (isMoving) return panes.querySelector<HTMLCanvasElement>("canvas.fill")!.toDataURL();
        await nextFrame();
      }
      return undefined;
    });
    await settled(page);
    const still = await page.evaluate(() => document.querySelector<HTMLCanvasElement>("canvas.fill")!.toDataURL());

    const png = (address: string) => Buffer.from(address.slice(address.indexOf(",") + 1), "base64");
    const { mean, far } = await difference(png(moving ?? ""), png(still));
    expect(far).toBeGreaterThan(0);
    expect(mean).toBeLessThan(1.5);
  }, 60_000);

  it("tells the keys, and lets single ones be switched off", async () => {
    const page = await open();
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    expect(await page.getByRole("dialog").textContent()).toContain("layer on, off");
    await page.getByRole("checkbox", { name: "Keys without Ctrl or Alt work" }).uncheck();
    await page.keyboard.press("Escape");

    await page.keyboard.press("2");
    expect(await page.getByRole("checkbox", { name: "Fill" }).isChecked()).toBe(true);
    await page.keyboard.press("ArrowRight");
    await page.waitForSelector("[data-shown='c.png']");
  });

  it("leaves the keys of a slider to it", async () => {
    const page = await open();
    await page.getByLabel("Opacity").focus();
    await page.keyboard.press("ArrowRight");
    await settled(page);
    expect(await page.getByLabel("Opacity").inputValue()).toBe("0.6");
    expect(await page.locator("[data-shown='b.png']").count()).toBe(1);
  });
});

describe("a result without its image", () => {
  const folders = useFolders(async (folders) => {
    for (const key of ["bare.png", "overlay.png", "mean.png", "broken.png", "short.png", "other-size.png"]) {
      await writeScene(folders, key, scene, { withSteps: false });
      if (key !== "other-size.png") await rm(path.join(folders.images, key));
    }
    const green = { create: { width: 240, height: 160, channels: 3 as const, background: "rgb(0, 200, 0)" } };
    await sharp(green).png().toFile(path.join(folders.results, "overlay.png/overlay.png"));
    await sharp(green).png().toFile(path.join(folders.results, "mean.png/mean.png"));
    await writeFile(path.join(folders.results, "broken.png/segments.png"), "nothing of a PNG");
    const png = await readFile(path.join(folders.results, "short.png/segments.png"));
    await writeFile(path.join(folders.results, "short.png/segments.png"), png.subarray(0, png.length >> 1));
    const small = await encodeIds({ width: 2, height: 1, segments: 2, ids: Uint16Array.of(1, 2) });
    await writeFile(path.join(folders.results, "other-size.png/segments.png"), small);
  });
  const viewer = useViewer(() => [{ name: "masks", results: new FolderStore(folders.results) }]);
  const browser = useBrowser();
  const sky = insideOf(scene, segmentOf(scene, 1));

  /** A picture that cannot be had is told by the browser on its own. */
  const forgive = (page: Page) => {
    const { errors } = browser.told(page);
    errors.splice(0, errors.length, ...errors.filter((text) => !text.includes("404")));
  };

  it("is the masks alone, opaque", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, "bare.png");

    expect((await fillAt(page, sky))[3]).toBe(255);
    expect(await page.getByRole("checkbox", { name: "Image" }).isDisabled()).toBe(true);
    expect(await page.textContent("#panel dl")).toContain("The image itself cannot be shown here.");
    forgive(page);
  });

  it.each([
    ["overlay.png", "Overlay"],
    ["mean.png", "Mean colours"],
  ])("lies on %s, where there is one", async (key, label) => {
    const page = await browser.open(viewer.url);
    await openImage(page, key);

    expect(await fillAt(page, sky, "base")).toEqual([0, 200, 0, 255]);
    expect(await page.getByRole("checkbox", { name: label }).isChecked()).toBe(true);
    forgive(page);
  });

  it.each([
    ["broken.png", "This is not a PNG."],
    ["short.png", /The PNG is (cut short|damaged)|The PNG's data are damaged/],
    ["other-size.png", "segments.png has another size than metadata.json says."],
  ])("says what is wrong with %s, and goes on", async (key, message) => {
    const page = await browser.open(viewer.url);
    await page.evaluate((hash) => {
      location.hash = hash;
    }, `#/image/${key}`);
    await page.waitForSelector(".pane .message:not([hidden]):not(:empty)");

    expect(await page.locator(".pane .message").textContent()).toMatch(message);
    await openImage(page, "bare.png");
    expect(await page.locator(".pane .message").isHidden()).toBe(true);
    expect((await fillAt(page, sky))[3]).toBe(255);
    forgive(page);
  });
});

describe("a result with more segments than eight bits can name", () => {
  const [columns, rows] = [40, 30];
  const large = { width: 240, height: 180 };
  const folders = useFolders(async (folders) => {
    await writeScene(folders, "x.png", drawScene(1, 240, 180), { withSteps: false });
    const ids = Uint16Array.from(
      { length: 240 * 180 },
      (_, i) => 1 + Math.floor((i % 240) / 6) + columns * Math.floor(i / 240 / 6),
    );
    const png = await encodeIds({ ...large, segments: columns * rows, ids });
    await writeFile(path.join(folders.results, "x.png/segments.png"), png);
    const file = path.join(folders.results, "x.png/metadata.json");
    const metadata = JSON.parse(await readFile(file, "utf8"));
    const segments_info = Array.from({ length: columns * rows }, (_, i) => ({
      id: i + 1,
      area: 36,
      bbox: [0, 0, 6, 6],
      mean_color: [i % 256, 90, 90],
    }));
    await writeFile(
      file,
      JSON.stringify({ ...metadata, task: "superpixel", segments: columns * rows, segments_info, categories: [] }),
    );
  });
  const viewer = useViewer(() => [{ name: "masks", results: new FolderStore(folders.results) }]);
  const browser = useBrowser();

  it("has each under the pointer by its own number, and few of them as elements", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, "x.png");
    for (const [column, row] of [
      [0, 0],
      [39, 5],
      [20, 15],
      [39, 29],
    ] as const) {
      const at = await pointOf(page, column * 6 + 2.5, row * 6 + 2.5, large);
      await page.mouse.move(at.x, at.y);
      expect(await chip(page).textContent()).toBe(`Segment ${1 + column + columns * row}36 px · 0.08%`);
    }
    expect(await page.textContent("#segments-title")).toBe("1,200 segments");
    expect(await page.locator("#segments .segment").count()).toBeLessThan(60);
    await page.locator("#panes").focus();
    await page.keyboard.press("ArrowUp");
    await settled(page);
    expect(await page.locator("#segments [aria-selected=true]").getAttribute("aria-posinset")).toBe("1200");
  });
});
