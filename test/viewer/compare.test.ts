import { describe, expect, it } from "vitest";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { openImage, pictureOf, pointOf, settled, useBrowser } from "./browser.js";
import { drawScene, withoutTrees, writeResult, writeScene } from "./scenes.js";
import { useFolders, useViewer } from "./serve.js";

const scene = drawScene(4, 240, 160);
const other = (results: string) => `${results}-other`;

describe("two runs side by side", () => {
  const folders = useFolders(async (folders) => {
    const second = { images: folders.images, results: other(folders.results) };
    for (const [key, drawn] of [
      ["same.png", drawScene(3, 240, 160)],
      ["trees.png", scene],
      ["only-first.png", drawScene(5, 240, 160)],
    ] as const) {
      await writeScene(folders, key, drawn);
      if (key !== "only-first.png")
        await writeResult(second, key, key === "trees.png" ? withoutTrees(drawn) : drawn, { model: "second" });
    }
    await writeScene(second, "only-second.png", drawScene(6, 240, 160));
  });
  const viewer = useViewer(() => [
    { name: "first", results: new FolderStore(folders.results) },
    { name: "second", results: new FolderStore(other(folders.results)) },
  ]);
  const browser = useBrowser();

  it("have one gallery of all that either has", async () => {
    const page = await browser.open(viewer.url);

    expect(await page.textContent("#count")).toBe("4 images");
    const facts = await page.locator(".card", { hasText: "trees.png" }).locator(".facts").textContent();
    expect(facts).toBe(`${scene.segments.length} | ${scene.segments.length - 1} segments`);
    const one = await page.locator(".card", { hasText: "only-second.png" }).locator(".facts").textContent();
    expect(one).toMatch(/^– \| \d+ segments$/);
  });

  it("are zoomed and moved as one", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, "same.png");
    const whole = await pictureOf(page, 0);
    expect((await pictureOf(page, 1)).equals(whole)).toBe(true);

    const box = (await page.locator(".canvases").nth(1).boundingBox())!;
    await page.mouse.move(box.x + 60, box.y + box.height / 2);
    await page.mouse.wheel(0, -500);
    await page.mouse.down();
    await page.mouse.move(box.x + 90, box.y + box.height / 2 + 25, { steps: 3 });
    await page.mouse.up();
    await page.mouse.move(2, 2);
    await settled(page);

    const near = await pictureOf(page, 0);
    expect(near.equals(whole)).toBe(false);
    expect((await pictureOf(page, 1)).equals(near)).toBe(true);
  });

  it("tell what both have where the pointer is", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, "trees.png");
    const tree = scene.segments.findIndex(({ category }) => category === 4) + 1;
    const pixel = scene.ids.findIndex(
      (id, i) => id === tree && [-6, 6, -1440, 1440].every((by) => scene.ids[i + by] === tree),
    );

    const at = await pointOf(page, pixel % 240, Math.floor(pixel / 240), scene, 1);
    await page.mouse.move(at.x, at.y);
    await settled(page);

    expect(await page.locator(".chip:visible strong").allTextContents()).toEqual(["tree", "hill"]);
    expect(await page.locator(".pane-title").allTextContents()).toEqual(["first", "second"]);
  });

  it("list the segments of the one that is chosen", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, "trees.png");
    expect(await page.textContent("#segments-title")).toBe(`${scene.segments.length} segments`);

    await page.getByRole("radio", { name: "second" }).check();
    await settled(page);

    expect(await page.textContent("#segments-title")).toBe(`${scene.segments.length - 1} segments`);
    expect((await page.locator("#segments .name").allTextContents()).join()).not.toContain("tree");
    expect(await page.textContent("#panel")).toContain("second 1.0.0");
  });

  it("converge together", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, "same.png");
    const end = await pictureOf(page, 0);
    await page.getByRole("slider", { name: "E-step" }).fill("1");
    await settled(page);
    const first = await pictureOf(page, 0);
    expect(first.equals(end)).toBe(false);
    expect((await pictureOf(page, 1)).equals(first)).toBe(true);
  });

  it("say where one of them has nothing", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, "only-second.png");

    expect(await page.locator(".pane .message").first().textContent()).toBe("This run has no result of this image.");
    expect(await page.locator(".pane .message").nth(1).isHidden()).toBe(true);
    expect(await page.locator("#segments .segment").count()).toBeGreaterThan(3);
  });
});
