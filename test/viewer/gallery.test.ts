import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import type { ObjectInfo } from "../../layers/pipeline/ports.js";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { MemoryStore } from "../pipeline/memory-store.js";
import { expectPicture, settled, useBrowser } from "./browser.js";
import { drawScene, resultFilesOf, writeScene } from "./scenes.js";
import { useFolders, useViewer } from "./serve.js";

const elements = (page: Page) => page.evaluate(() => document.querySelectorAll("*").length);
const names = (page: Page) => page.locator(".card .name").allTextContents();

/** The longest time between two frames while something goes on in the page, in ms. */
async function longestStall(page: Page, work: () => Promise<void>): Promise<number> {
  await page.evaluate(() => {
    const so = globalThis as unknown as { stall: number; last: number };
    so.stall = 0;
    so.last = performance.now();
    requestAnimationFrame(function next(now) {
      so.stall = Math.max(so.stall, now - so.last);
      so.last = now;
      requestAnimationFrame(next);
    });
  });
  await work();
  return page.evaluate(() => (globalThis as unknown as { stall: number }).stall);
}

/** Open a gallery: when its first picture is there, in ms; what it says; elements and stalls wherever one scrolls. */
async function visit(browser: ReturnType<typeof useBrowser>, url: string) {
  const began = performance.now();
  const page = await browser.open(url, { loaded: false });
  await page.waitForSelector(".card canvas[data-state=drawn]");
  const first = performance.now() - began;
  await page.waitForSelector("body[data-loaded]", { timeout: 60_000 });
  const counts = [await elements(page)];
  const stall = await longestStall(page, async () => {
    for (const part of [0.1, 0.35, 0.6, 0.85, 1, 0.5]) {
      await page.evaluate((to) => {
        const scroll = document.querySelector("#scroll")!;
        scroll.scrollTop = to * scroll.scrollHeight;
      }, part);
      await page.waitForSelector(".card canvas[data-state=drawn]");
      counts.push(await elements(page));
    }
  });
  return { first, stall, elements: Math.max(...counts), count: await page.textContent("#count") };
}

describe("a gallery of 10,000 results", () => {
  const [few, many] = [new MemoryStore(), new MemoryStore()];
  useFolders(async () => {
    const source = { uri: "file:///nowhere", key: "a.png", etag: "1-a", size: 1 };
    const variants = await Promise.all(
      [0, 1, 2, 3].map((seed) => resultFilesOf(drawScene(seed, 96, 64), source, { withSteps: false })),
    );
    for (let i = 0; i < 10_000; i++) {
      const key = `part-${i % 10}/image-${String(i).padStart(5, "0")}.jpg`;
      for (const [name, body] of variants[i % 4]!) {
        many.objects.set(`${key}/${name}`, { body, etag: "v1" });
        if (i < 100) few.objects.set(`${key}/${name}`, { body, etag: "v1" });
      }
    }
  });
  const viewer = useViewer(() => [{ name: "many", results: many }]);
  const smallViewer = useViewer(() => [{ name: "few", results: few }]);
  const browser = useBrowser();

  it("is there at once, has few elements wherever one looks, and stalls no more than one of 100", async () => {
    const small = await visit(browser, smallViewer.url);
    const large = await visit(browser, viewer.url);

    expect(large.count).toBe("10,000 images");
    expect(large.elements).toBeLessThan(1000);
    expect(large.elements).toBeLessThan(small.elements * 2);
    // Beside each other, as the machine may have other work.
    expect(large.first).toBeLessThan(3 * small.first + 2000);
    expect(large.stall).toBeLessThan(3 * small.stall + 500);
  }, 120_000);

  it("is walked through by keys, from the first to the last", async () => {
    const page = await browser.open(viewer.url);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("End");

    const last = page.locator(".card:focus");
    expect(await last.locator(".name").textContent()).toBe("part-9/image-09999.jpg");
    expect(await last.locator("xpath=..").getAttribute("aria-posinset")).toBe("10000");
    expect(await last.locator("xpath=..").getAttribute("aria-setsize")).toBe("10000");
    await page.keyboard.press("Home");
    expect(await page.locator(".card:focus .name").textContent()).toBe("part-0/image-00000.jpg");
    expect(await elements(page)).toBeLessThan(1000);
  }, 60_000);

  it("finds one of them while one types", async () => {
    const page = await browser.open(viewer.url);
    await page.keyboard.press("/");
    await page.keyboard.type("IMAGE-04711");

    await page.waitForFunction(() => document.querySelector("#count")?.textContent === "1 of 10,000 images");
    expect(await names(page)).toEqual(["part-1/image-04711.jpg"]);
    await page.keyboard.type("x");
    await page.waitForSelector("#nothing:not([hidden])");
    expect(await page.textContent("#nothing")).toBe("No image passes the filter.");
  }, 60_000);
});

describe("a gallery whose index is still on its way", () => {
  const store = new MemoryStore();
  let release: () => void = () => {};
  useFolders(async () => {
    const files = await resultFilesOf(drawScene(1, 48, 32), { uri: "file:///x", key: "a", etag: "1", size: 1 });
    for (let i = 0; i < 60; i++)
      for (const [name, body] of files) store.objects.set(`${i + 100}.jpg/${name}`, { body, etag: "1" });
    const list = store.list.bind(store);
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    store.list = async function* (prefix): AsyncGenerator<ObjectInfo> {
      let seen = 0;
      for await (const one of list(prefix)) {
        if (++seen === 200) await released;
        yield one;
      }
    };
  });
  const viewer = useViewer(() => [{ name: "slow", results: store }]);
  const browser = useBrowser();

  it("shows what has come", async () => {
    const page = await browser.open(viewer.url, { loaded: false });

    await page.waitForSelector(".card canvas[data-state=drawn]");
    expect(await page.textContent("#count")).toMatch(/^\d+ images …$/);
    release();
    await page.waitForSelector("body[data-loaded]");
    expect(await page.textContent("#count")).toBe("60 images");
  });
});

describe("a gallery", () => {
  const folders = useFolders(async (folders) => {
    for (const [i, key] of ["b/two.png", "a/one.png", "c/three.png"].entries()) {
      await writeScene(folders, key, drawScene(i + 1, 240, 160), i === 2 ? { names: { 5: "lantern" } } : {});
    }
    await new FolderStore(folders.results).put("d/broken.png/metadata.json", Buffer.from("{"));
  });
  const viewer = useViewer(() => [{ name: "masks", results: new FolderStore(folders.results) }]);
  const browser = useBrowser();

  it("shows images, masks, or both", async () => {
    const page = await browser.open(viewer.url);
    for (const mode of ["Both", "Image", "Masks"]) {
      await page.getByRole("radio", { name: mode }).check();
      await settled(page);
      await page.waitForFunction(() => document.querySelectorAll(".card canvas[data-state=drawn]").length === 3);

      await expectPicture(`thumbnail-${mode.toLowerCase()}`, await page.locator(".card .picture").first().screenshot());
    }
  });

  it("is filtered by class and by score", async () => {
    const page = await browser.open(viewer.url);
    expect(await page.locator("#gallery-classes .class").allTextContents()).toContain("lantern1");

    await page.getByRole("button", { name: "lantern" }).click();
    await settled(page);
    expect(await names(page)).toEqual(["c/three.png"]);
    expect(await page.getByRole("button", { name: "lantern" }).getAttribute("aria-pressed")).toBe("true");

    await page.getByRole("button", { name: "balloon" }).click();
    await settled(page);
    expect(await names(page)).toHaveLength(3);

    const best = [1, 2, 3].map((seed) =>
      Math.max(
        ...drawScene(seed, 240, 160)
          .segments.filter(({ category }) => category === 5)
          .map(({ score }) => score),
      ),
    );
    await page.getByRole("slider", { name: "Score" }).fill("0.9");
    await settled(page);
    expect(await names(page)).toHaveLength(best.filter((score) => score >= 0.9).length);
    expect(await page.textContent("#count")).toBe(`${best.filter((score) => score >= 0.9).length} of 3 images`);
  });

  it("opens an image by a key and comes back to it", async () => {
    const page = await browser.open(viewer.url);
    await page.locator(".card").first().focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#image-view[data-shown='b/two.png']");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("panes");

    await page.keyboard.press("Escape");

    await page.waitForSelector("#gallery-view:not([hidden])");
    await page.waitForFunction(() => document.activeElement?.matches(".card"));
    expect(await page.locator(".card:focus .name").textContent()).toBe("b/two.png");
  });

  it("says which results it cannot show", async () => {
    const page = await browser.open(viewer.url);

    await page.getByText("1 result cannot be shown").click();

    expect(await page.textContent("#problems ul")).toContain("d/broken.png: d/broken.png/metadata.json is not JSON");
  });
});

describe("names from strangers", () => {
  const keys = [
    "<img src=x onerror=alert(1)>.png",
    "\"'><script>alert(1)<\u2215script>.png",
    "..",
    "a/../../etc/passwd",
    "100%2Fa%00.png",
    "猫 и 🐈.png",
    "javascript:alert(1)",
    "__proto__",
    "a?b#c&d=e;f.png",
    "gnp.\u202eexe",
  ];
  const store = new MemoryStore();
  useFolders(async () => {
    for (const key of keys) {
      const source = { uri: "javascript:alert(1)", key, etag: "1", size: 1 };
      const names = { 5: "<b onmouseover=alert(1)>bold</b>", 6: "__proto__" };
      const model = "<i>model</i>";
      for (const [name, body] of await resultFilesOf(drawScene(1, 96, 64), source, { names, model })) {
        await store.put(`${key}/${name}`, body);
      }
    }
  });
  const viewer = useViewer(() => [{ name: '<u>run</u> "&amp;', results: store }]);
  const browser = useBrowser();

  it("are text, and open what they name", async () => {
    const page = await browser.open(viewer.url);
    await page.waitForFunction(
      (count) => document.querySelectorAll(".card canvas[data-state=drawn]").length === count,
      keys.length,
    );

    const shown = keys.map((key) => key.replace("\u202e", "\\u202e"));
    expect((await names(page)).sort()).toEqual([...shown].sort());
    expect(await page.textContent("#place")).toBe('<u>run</u> "&amp;');
    expect(await page.locator("#gallery-classes .class").allTextContents()).toContain(
      `<b onmouseover=alert(1)>bold</b>${keys.length}`,
    );
    for (const [i, key] of keys.entries()) {
      await page.locator(".card", { has: page.locator(`.name[title=${JSON.stringify(shown[i])}]`) }).click();
      await page.waitForFunction(
        (wanted) => document.querySelector<HTMLElement>("#image-view")?.dataset["shown"] === wanted,
        key,
      );
      expect(await page.textContent("#place")).toBe(shown[i]);
      expect(await page.textContent("#panel dl")).toContain("<i>model</i> 1.0.0");
      await page.keyboard.press("Escape");
      await page.waitForSelector("#gallery-view:not([hidden])");
    }
    // What would be there if one of them had been taken for markup.
    expect(await page.locator("img, b, i, u, body script").count()).toBe(0);
  }, 60_000);
});
