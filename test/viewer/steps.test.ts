import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { difference, expectPicture, openImage, pictureOf, pointOf, settled, useBrowser } from "./browser.js";
import { drawScene, writeScene } from "./scenes.js";
import { useFolders, useViewer } from "./serve.js";

const scene = drawScene(7, 240, 160);

describe("the clusters converging", () => {
  const folders = useFolders(async (folders) => {
    await writeScene(folders, "a.png", scene);
    await writeScene(folders, "b.png", drawScene(8, 240, 160), { withSteps: false });
    await writeScene(folders, "c.png", drawScene(9, 240, 160));
    await new FolderStore(folders.results).put("c.png/steps.json", Buffer.from('{"schema":"clustseg.steps/9"}'));
  });
  const viewer = useViewer(() => [{ name: "masks", results: new FolderStore(folders.results) }]);
  const browser = useBrowser();
  const slider = (page: Page) => page.getByRole("slider", { name: "E-step" });

  it("go from the seeds over the E-steps to the masks, as committed", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, "a.png");
    expect(await slider(page).getAttribute("max")).toBe("5");
    expect(await slider(page).inputValue()).toBe("5");

    const pictures: Buffer[] = [];
    for (const step of [0, 1, 2, 3, 4, 5]) {
      await slider(page).fill(String(step));
      await settled(page);
      pictures.push(await pictureOf(page));
      if (step === 0 || step === 2) await expectPicture(`steps-${step}`, pictures[step]!);
    }

    // Every step is another picture by more than is let pass, and the way gets shorter.
    const ways: number[] = [];
    for (let step = 1; step <= 5; step++) ways.push((await difference(pictures[step]!, pictures[step - 1]!)).far);
    for (const way of ways) expect(way).toBeGreaterThan(0.012);
    expect(ways[3]).toBeLessThan(ways[1]!);
  });

  it("are told in words, with what has changed", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, "a.png");
    const texts: (string | null)[] = [];
    for (const step of [0, 1, 2, 5]) {
      await slider(page).fill(String(step));
      texts.push(await slider(page).getAttribute("aria-valuetext"));
    }

    const { labels, width, height } = scene.steps;
    const size = width * height;
    let changed = 0;
    for (let i = 0; i < size; i++) if (labels[size + i] !== labels[i]) changed++;
    expect(texts).toEqual([
      "Seeds",
      "E-step 1 of 4",
      `E-step 2 of 4: ${((100 * changed) / size).toFixed(1)}% of pixels changed cluster`,
      "Masks",
    ]);
  });

  it("have clusters in the colours of the segments that they become, and say so", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, "a.png");
    const sky = await pointOf(page, 5, 5, scene);
    await page.mouse.move(sky.x, sky.y);
    const colour = () =>
      page.locator(".chip .swatch").evaluate((element) => (element as HTMLElement).style.backgroundColor);
    const asSegment = await colour();

    await slider(page).fill("4");
    await page.mouse.move(sky.x + 1, sky.y);

    expect(await page.locator(".chip strong").textContent()).toBe("Cluster 1");
    expect(await page.locator(".chip .facts").textContent()).toMatch(/% · becomes sky 1$/);
    expect(await colour()).toBe(asSegment);
  });

  it("are gone through by keys", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, "a.png");
    for (const [key, value] of [
      ["[", "4"],
      ["[", "3"],
      ["]", "4"],
      ["]", "5"],
      ["]", "5"],
    ] as const) {
      await page.keyboard.press(key);
      expect(await slider(page).inputValue()).toBe(value);
    }
  });

  it("play from the seeds to the masks, and stop", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, "a.png");
    await page.evaluate(() => {
      const seen: string[] = [];
      const look = () => {
        const at = document.querySelector<HTMLInputElement>("#step")!.value;
        if (seen.at(-1) !== at) seen.push(at);
        requestAnimationFrame(look);
      };
      look();
      Object.assign(globalThis, { seen });
    });

    await page.keyboard.press(" ");
    expect(await page.getByRole("button", { name: "Pause" }).count()).toBe(1);

    await page.getByRole("button", { name: "Play" }).waitFor();
    await settled(page);
    const seen = await page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen);
    expect(seen).toEqual(["5", "0", "1", "2", "3", "4", "5"]);
    await page.getByRole("button", { name: "Play" }).click();
    await page.getByRole("button", { name: "Pause" }).click();
    expect(Number(await slider(page).inputValue())).toBeLessThan(3);
  });

  it("fade from one to the next, but not for those who asked for less motion", async () => {
    const ghostsOf = async (reducedMotion: "reduce" | "no-preference") => {
      const page = await browser.open(viewer.url, { reducedMotion });
      await openImage(page, "a.png");
      const watched = page.evaluate(() => {
        const ghosts: string[] = [];
        const ghost = document.querySelector<HTMLElement>("canvas.ghost")!;
        return new Promise<string[]>((resolve) => {
          const began = performance.now();
          const look = () => {
            ghosts.push(ghost.style.opacity);
            if (performance.now() - began > 1500) resolve(ghosts);
            else requestAnimationFrame(look);
          };
          look();
        });
      });
      await page.keyboard.press("[");
      const opacities = (await watched).map(Number);
      expect(opacities.at(-1)).toBe(0);
      return opacities.filter((opacity) => opacity > 0 && opacity < 1).length;
    };

    expect(await ghostsOf("no-preference")).toBeGreaterThan(1);
    expect(await ghostsOf("reduce")).toBe(0);
  });

  it("are not offered where a result has none, and one that is damaged is still shown without", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, "b.png");
    expect(await page.locator("#steps").isHidden()).toBe(true);
    await openImage(page, "c.png");
    expect(await page.locator("#steps").isHidden()).toBe(true);
    expect(await page.textContent("#panel dl")).toContain("steps.json is of another kind.");
  });
});
