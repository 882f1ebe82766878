import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { namesOfKey } from "../../layers/storage/folder-keys.js";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { loadPage } from "../../layers/viewer/page-files.js";
import { type WrittenRun, writePage } from "../../layers/viewer/write-page.js";
import { ensureBuilt } from "../../scripts/build.mjs";
import { MemoryStore } from "../pipeline/memory-store.js";
import { openImage, pixelAt, settled, useBrowser } from "./browser.js";
import { drawScene, resultFilesOf, withoutTrees, writeResult, writeScene } from "./scenes.js";
import { useFolders } from "./serve.js";

/** What any bucket or web server does: a path is a file, and nobody sets headers for us. */
function plainServer(read: (name: string) => Promise<Uint8Array>): Server {
  const types: Readonly<Record<string, string>> = {
    html: "text/html",
    js: "text/javascript",
    css: "text/css",
    svg: "image/svg+xml",
    png: "image/png",
  };
  return createServer(async (request, response) => {
    const name = decodeURIComponent(new URL(request.url!, "http://x").pathname).slice(1);
    const body = await read(name).catch(() => undefined);
    response.writeHead(body === undefined ? 404 : 200, {
      "content-type": types[name.split(".").at(-1)!] ?? "application/octet-stream",
    });
    response.end(body);
  });
}

function useServer(read: () => (name: string) => Promise<Uint8Array>) {
  let server: Server;
  beforeAll(async () => {
    server = plainServer(read());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterAll(() => server.close());
  return { address: (pathname: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${pathname}` };
}

const names = (key: string) => namesOfKey(key, { windows: false }).map(({ name }) => name);

describe("a page that is written beside the results", () => {
  const odd = "<b>ö + 100%2F?#.png";
  const folders = useFolders(async ({ images, results }) => {
    await ensureBuilt();
    const scene = drawScene(2, 240, 160);
    for (const key of ["a.png", odd, "sub/c.png"]) await writeScene({ images, results }, key, scene);
    await new FolderStore(results).put(
      "../d.png/metadata.json",
      (await new FolderStore(results).get("a.png/metadata.json")).body,
    );
    await writeResult({ images, results: `${results}-2` }, "a.png", withoutTrees(scene));
    const run = (folder: string, files: string): WrittenRun => ({
      name: path.basename(folder),
      results: new FolderStore(folder),
      files,
      names,
      images: "../../images",
    });
    const page = await loadPage();
    const first = run(results, "../");
    expect(await writePage(first.results, [first], page)).toEqual({ results: 4, problems: [] });
    const second = run(`${results}-2`, "../");
    expect((await writePage(second.results, [second, run(results, "../../results/")], page)).results).toBe(5);
  });
  const server = useServer(() => (name) => readFile(path.join(folders.root, name)));
  const browser = useBrowser();

  it("shows them from any server of files, with the images, under its own policy", async () => {
    const page = await browser.open(server.address("results/viewer/index.html"));
    expect(await page.textContent("#count")).toBe("4 images");
    for (const key of ["a.png", odd, "sub/c.png"]) {
      await openImage(page, key);
      expect((await pixelAt(page, "base", 0.5, 0.5))[3]).toBe(255);
      expect(await page.getByRole("checkbox", { name: "Image" }).isChecked()).toBe(true);
      expect((await pixelAt(page, "fill", 0.5, 0.5))[3]).toBeGreaterThan(0);
    }
    await page.getByRole("slider", { name: "E-step" }).fill("1");
    await settled(page);
    // The policy holds without a header.
    await page
      .evaluate(() => {
        const element = document.createElement("script");
        element.setAttribute("src", "data:text/javascript,globalThis.ran=1");
        document.body.append(element);
      })
      .catch(() => {});
    const told = browser.told(page);
    await expect.poll(() => told.violations.join()).toContain("require-trusted-types-for");
    await page.waitForTimeout(100);
    for (const list of [told.violations, told.errors]) list.length = 0;
  });

  it("finds what a disk cannot call by its name", async () => {
    const page = await browser.open(server.address("results/viewer/index.html"));
    await openImage(page, "../d.png").catch(() => {});
    // There is no segments.png there, and that is what it says.
    expect(await page.textContent(".pane .message")).toBe("segments.png cannot be had (404).");
    browser.told(page).errors.length = 0;
  }, 60_000);

  it("shows two runs that lie beside each other", async () => {
    const page = await browser.open(server.address("results-2/viewer/index.html"));
    await openImage(page, "a.png");
    expect(await page.locator(".pane-title").allTextContents()).toEqual(["results-2", "results"]);
    for (const pane of [0, 1]) expect((await pixelAt(page, "fill", 0.5, 0.5, pane))[3]).toBeGreaterThan(0);
  });

  it("holds no path of the machine that wrote it", async () => {
    for (const name of ["viewer.json", "a.jsonl"]) {
      const text = await readFile(path.join(folders.results, "viewer", name), "utf8");
      expect(text).not.toContain(folders.root);
    }
  });

  it("says what to do when it is opened as a file", async () => {
    const page = await browser.open(`file://${folders.results}/viewer/index.html`, { loaded: false });
    await page.waitForTimeout(2500);

    expect(await page.locator("#starting").isVisible()).toBe(true);
    expect(await page.textContent("#starting")).toContain("clustseg view");
    const { errors, violations, elsewhere } = browser.told(page);
    for (const list of [errors, violations, elsewhere]) list.length = 0;
  });
});

describe("a page in a bucket", () => {
  const store = new MemoryStore("s3://bucket/masks/");
  useFolders(async () => {
    await ensureBuilt();
    const source = { uri: "s3://bucket/photos/", key: "x", etag: "1", size: 1 };
    const files = await resultFilesOf(drawScene(1, 48, 32), source);
    for (const key of ["a/b c.png", "a/../b.png", "a//b.png", ".."]) {
      for (const [name, body] of files) await store.put(`${key}/${name}`, body);
    }
    const run = { name: "masks", results: store, files: "../", names: (key: string) => key.split("/") };
    const { results, problems } = await writePage(store, [run], await loadPage());
    expect(results).toBe(1);
    expect(problems).toHaveLength(3);
  });
  const server = useServer(() => async (name) => (await store.get(name.replace(/^masks\//, ""))).body);
  const browser = useBrowser();

  it("shows what an address can name, and says what none can", async () => {
    const page = await browser.open(server.address("masks/viewer/index.html"));

    expect(await page.textContent("#count")).toBe("1 image");
    expect(await page.textContent("#problems summary")).toBe("3 results cannot be shown");
    await openImage(page, "a/b c.png");
    expect((await pixelAt(page, "fill", 0.5, 0.5))[3]).toBe(255);
  });

  it("has its entry last, so that nobody opens half a page", () => {
    expect(store.writes.at(-1)).toBe("viewer/index.html");
  });
});
