import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { openImage, pointOf, settled, useBrowser } from "./browser.js";
import { drawScene, withoutTrees, writeResult, writeScene } from "./scenes.js";
import { useFolders, useViewer } from "./serve.js";

const key = "folder/a.png";
const scene = drawScene(2, 240, 160);

/** Texts whose contrast to what is behind them is below WCAG's AA, as "ratio: text". */
function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const channels = (css: string) => (css.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = ([r = 0, g = 0, b = 0]: number[]) => {
      const [lr, lg, lb] = [r, g, b].map((value) =>
        value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
      );
      return 0.2126 * lr! + 0.7152 * lg! + 0.0722 * lb!;
    };
    const ground = (element: Element | null): number[] => {
      for (let at = element; at !== null; at = at.parentElement) {
        const color = channels(getComputedStyle(at).backgroundColor);
        if (color.length === 3 || color[3] === 1) return color;
      }
      return [255, 255, 255];
    };
    const faint: string[] = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let seen = 0;
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement!;
      if (
        node.textContent!.trim() === "" ||
        !element.checkVisibility() ||
        element.closest(":disabled, .unseen, option")
      )
        continue;
      seen++;
      const style = getComputedStyle(element);
      const [a, b] = [luminance(channels(style.color)), luminance(ground(element))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const size = Number.parseFloat(style.fontSize);
      const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
      if (ratio < least) faint.push(`${ratio.toFixed(2)}: ${node.textContent}`);
    }
    return seen < 5 ? ["hardly any text was looked at"] : faint;
  });
}

/** Roles of what can be operated or is a landmark and has no name that a screen reader could say. */
async function nameless(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const wanted =
    /^(button|link|slider|checkbox|radio|searchbox|textbox|listbox|option|dialog|application|list|group|image|heading)$/;
  const operated = nodes.filter(({ ignored, role }) => !ignored && wanted.test(String(role?.value)));
  expect(operated.length).toBeGreaterThan(4);
  return operated
    .filter(({ name, role }) => !name?.value && !(role?.value === "list" || role?.value === "group"))
    .map(({ role }) => String(role?.value));
}

/** What Tab leads to, from the beginning to the end of the page, with whether one sees it. */
async function tabStops(page: Page): Promise<{ name: string; seen: boolean }[]> {
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  const stops: { name: string; seen: boolean }[] = [];
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === null || element === document.body) return undefined;
      // A radio's own circle is hidden: the ring is around its label.
      const shown = element.matches(".segmented input") ? element.nextElementSibling! : element;
      const { outlineStyle, outlineWidth } = getComputedStyle(shown);
      const name =
        element.id || element.getAttribute("aria-label") || element.textContent || element.getAttribute("name");
      return { name: name ?? "", seen: outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 2 };
    });
    if (stop === undefined) return stops;
    stops.push(stop);
  }
  throw new Error("Tab never comes to an end.");
}

describe("the viewer for everybody", () => {
  const folders = useFolders(async (folders) => {
    await writeScene(folders, key, scene);
    await writeScene(folders, "b.png", drawScene(3, 240, 160));
    await writeResult({ images: folders.images, results: `${folders.results}-2` }, key, withoutTrees(scene));
    await new FolderStore(folders.results).put("bad.png/metadata.json", Buffer.from("{"));
  });
  const viewer = useViewer(() => [
    { name: "first", results: new FolderStore(folders.results) },
    { name: "second", results: new FolderStore(`${folders.results}-2`) },
  ]);
  const browser = useBrowser();

  /** The page's states that have other words and controls. */
  const states: readonly (readonly [string, (page: Page) => Promise<void>])[] = [
    ["the gallery", async (page) => page.getByRole("button", { name: "balloon" }).click()],
    [
      "an image",
      async (page) => {
        await openImage(page, key);
        await page.keyboard.press("[");
        await page.keyboard.press("]");
        await page.keyboard.press("ArrowDown");
        const { x, y } = await pointOf(page, 20, 20, scene);
        await page.mouse.move(x, y);
        await settled(page);
      },
    ],
    ["the help", async (page) => page.getByRole("button", { name: "Keys and help" }).click()],
  ];

  it.each(states.flatMap(([name, go]) => (["light", "dark"] as const).map((scheme) => [name, scheme, go] as const)))(
    "has words that stand out in %s, %s",
    async (_, colorScheme, go) => {
      const page = await browser.open(viewer.url, { colorScheme });
      await go(page);

      expect(await faintTexts(page)).toEqual([]);
    },
  );

  it.each(states)("has a name for everything in %s", async (_, go) => {
    const page = await browser.open(viewer.url);
    await go(page);

    expect(await nameless(page)).toEqual([]);
  });

  it("shows where the focus is, at every stop, and never keeps it", async () => {
    const page = await browser.open(viewer.url);
    const gallery = await tabStops(page);
    expect(gallery.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["home", "help-button", "search", "gallery-score-slider"]),
    );
    // One of all cards: the arrows lead to the others.
    expect(gallery.filter(({ name }) => name.includes("segments"))).toHaveLength(1);

    await openImage(page, key);
    const image = await tabStops(page);
    expect(image.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["previous", "next", "panes", "zoom-in", "step", "opacity", "segments", "image-score"]),
    );
    expect([...gallery, ...image].filter(({ seen }) => !seen)).toEqual([]);
  });

  it("has edges and focus rings that stand out three to one, light and dark", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await browser.open(viewer.url, { colorScheme });
      const [paper, surface, edge, accent] = await page.evaluate(() => {
        const probe = document.createElement("p");
        document.body.append(probe);
        return ["--paper", "--surface", "--edge", "--accent"].map((name) => {
          probe.style.color = `var(${name})`;
          return (getComputedStyle(probe).color.match(/\d+/g) ?? []).map(Number);
        });
      });
      for (const ground of [paper!, surface!]) {
        expect(contrast(edge!, ground)).toBeGreaterThanOrEqual(3);
        expect(contrast(accent!, ground)).toBeGreaterThanOrEqual(4.5);
      }
    }
  });

  it.each([
    [320, 640],
    [500, 400],
    [820, 1100],
  ])("fits a window of %i x %i", async (width, height) => {
    const page = await browser.open(viewer.url, { viewport: { width, height } });
    const overflow = () =>
      page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(await overflow()).toBe(0);
    expect(await page.locator(".card").first().isVisible()).toBe(true);
    await openImage(page, key);
    expect(await overflow()).toBe(0);
    const canvas = (await page.locator(".canvases").first().boundingBox())!;
    expect(canvas.width).toBeGreaterThan(100);
    expect(canvas.height).toBeGreaterThan(100);
  });

  it("puts picture, panel and steps beside each other, none over another", async () => {
    const page = await browser.open(viewer.url);
    await openImage(page, key);
    const box = async (selector: string) => (await page.locator(selector).boundingBox())!;
    const [bar, panes, steps, panel] = await Promise.all(["#bar", "#panes", "#steps", "#panel"].map(box));

    expect(panes!.y).toBeGreaterThanOrEqual(bar!.y + bar!.height);
    expect(steps!.y).toBeGreaterThanOrEqual(panes!.y + panes!.height - 1);
    expect(panel!.x).toBeGreaterThanOrEqual(panes!.x + panes!.width - 1);
    expect(steps!.y + steps!.height).toBeLessThanOrEqual(701);
    expect(panel!.x + panel!.width).toBeLessThanOrEqual(1000);
  });

  it("moves nothing for those who asked for less motion", async () => {
    const page = await browser.open(viewer.url, { reducedMotion: "reduce" });
    const moving = await page.evaluate(
      () =>
        [...document.querySelectorAll("*")].filter((element) => {
          const { transitionDuration, animationDuration } = getComputedStyle(element);
          return transitionDuration !== "0s" || animationDuration !== "0s";
        }).length,
    );
    expect(moving).toBe(0);
  });
});

describe("the page's own policy", () => {
  const folders = useFolders((folders) => writeScene(folders, key, scene));
  const viewer = useViewer(() => [{ name: "masks", results: new FolderStore(folders.results) }]);
  const browser = useBrowser();

  it("lets nothing in that is not of the page, so that its silence elsewhere says something", async () => {
    const page = await browser.open(viewer.url);
    const attempts = await page.evaluate(async () => {
      const markup = () => {
        document.body.innerHTML = "<b>x</b>";
      };
      const script = () => {
        const element = document.createElement("script");
        element.textContent = "globalThis.ran = 1";
        document.body.append(element);
      };
      const style = () => {
        document.body.setAttribute("style", "outline: 7px solid red");
      };
      const elsewhere = () => fetch("http://127.0.0.1:9/");
      const embed = () => {
        document.body.append(Object.assign(document.createElement("iframe"), { src: "http://127.0.0.1:9/" }));
      };
      for (const attempt of [markup, script, style, elsewhere, embed]) {
        try {
          await attempt();
        } catch {}
      }
      await new Promise((resolve) => setTimeout(resolve, 300));
      return {
        ran: "ran" in globalThis,
        markup: document.querySelector("body > b") !== null,
        outline: getComputedStyle(document.body).outlineWidth === "7px",
      };
    });

    expect(attempts).toEqual({ ran: false, markup: false, outline: false });
    const told = browser.told(page);
    const directives = told.violations.map((text) => text.split(" ")[0]).join(" ");
    for (const directive of ["require-trusted-types-for", "style-src", "connect-src", "frame-src"])
      expect(directives).toContain(directive);
    for (const list of [told.violations, told.errors, told.elsewhere]) list.length = 0;
  });
});

function contrast(a: readonly number[], b: readonly number[]): number {
  const luminance = (rgb: readonly number[]) => {
    const [r, g, bl] = rgb.map((value) =>
      value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * bl!;
  };
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high! + 0.05) / (low! + 0.05);
}
