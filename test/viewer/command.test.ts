import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { imageSources } from "../../bin/addresses/image-sources.js";
import { inProcess, jsonLines, start } from "../bin/cli.js";
import { drawScene, writeResult, writeScene } from "./scenes.js";
import { useFolders } from "./serve.js";

/** The command, once it serves. */
async function serving(cwd: string, ...args: string[]) {
  const { child, ended, until } = start(cwd, "view", ...args, "--json");
  let stdout = "";
  child.stdout!.on("data", (text) => {
    stdout += text;
  });
  await until('"serving"');
  const [line] = jsonLines(stdout);
  return { child, ended, url: String(line!["url"]) };
}

describe("the images that results name", () => {
  const folders = useFolders(({ images }) => mkdir(images, { recursive: true }).then(() => {}));
  const folder = () => pathToFileURL(folders.images).href;

  it("are looked for where the results are: folders by folders, buckets by buckets", async () => {
    const [byFolder, byBucket] = await Promise.all(["masks", "s3://bucket/masks/"].map(imageSources));

    expect(byFolder!(folder())?.uri).toBe(folder());
    expect(byFolder!("s3://bucket/photos/")).toBeUndefined();
    expect(byBucket!("s3://bucket/photos/")?.uri).toBe("s3://bucket/photos/");
    expect(byBucket!(folder())).toBeUndefined();
    expect(byFolder!(folder())).toBe(byFolder!(folder()));
  });

  it.each([
    "",
    "file:///nowhere/at/all",
    "file://host/share",
    "http://localhost/",
    "javascript:alert(1)",
    "s3://",
    "s3://A B/",
  ])("are nowhere when the address is %j", async (uri) => {
    for (const results of ["masks", "s3://bucket/masks/"]) expect((await imageSources(results))(uri)).toBeUndefined();
  });
});

describe("clustseg view", () => {
  const folders = useFolders(async ({ root, images, results }) => {
    await writeScene({ images, results }, "a.png", drawScene(1, 48, 32));
    await writeResult({ images, results: path.join(root, "other/results") }, "a.png", drawScene(1, 48, 32));
    await mkdir(path.join(root, "empty"));
    await writeFile(path.join(root, "file"), "");
  });

  it("serves on this machine only, on a free port, until it is stopped", async () => {
    const { child, ended, url } = await serving(folders.root, "results");

    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    const index = (await (await fetch(`${url}a.jsonl`)).text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const entry = index.find((line) => "key" in line);
    expect(entry).toMatchObject({ key: "a.png", image: "a/0/image" });
    const image = await fetch(`${url}${entry.image}`);
    expect(Buffer.from(await image.arrayBuffer()).equals(await readFile(path.join(folders.images, "a.png")))).toBe(
      true,
    );

    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
    await expect(fetch(url)).rejects.toThrow();
  });

  it("prints the address alone, so that it can be piped", async () => {
    const { child, ended, until } = start(folders.root, "view", "results", "other/results");
    await until("Ctrl-C ends it");
    child.kill("SIGTERM");
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\n$/);
    expect(stderr).toBe("only this machine can open it; Ctrl-C ends it\n");
  });

  it("refuses a port that is taken", async () => {
    const first = await serving(folders.root, "results");
    const { port } = new URL(first.url);

    const second = await start(folders.root, "view", "results", "--port", port).ended;

    first.child.kill("SIGINT");
    await first.ended;
    expect(second.code).toBe(2);
    expect(second.stderr).toContain(`nothing can be served on port ${port} (EADDRINUSE) [USAGE]`);
  });

  it("writes the page into the results, and says where", async () => {
    const { code, stdout } = await inProcess(
      folders.root,
      "view",
      "results",
      "other/results",
      "--write",
      "--images",
      "../../images/",
    );

    expect(code).toBe(0);
    expect(stdout).toBe("results/viewer/index.html shows 2 results; any web server can serve it\n");
    const config = JSON.parse(await readFile(path.join(folders.results, "viewer/viewer.json"), "utf8"));
    expect(config.runs).toEqual([
      { name: `${path.basename(folders.root)}/results`, files: "../", index: "a.jsonl" },
      { name: "other/results", files: "../../other/results/", index: "b.jsonl" },
    ]);
    expect(await readFile(path.join(folders.results, "viewer/a.jsonl"), "utf8")).toContain(
      '"image":"../../images/a.png"',
    );
    expect(existsSync(path.join(folders.results, "viewer/index.html"))).toBe(true);
    // What was written is no result of its own.
    const again = await inProcess(folders.root, "view", "results", "--write", "--json");
    expect(jsonLines(again.stdout)).toEqual([
      { type: "written", page: "results/viewer/index.html", results: 1, problems: [] },
    ]);
  });

  it.each([
    [["view", "empty"], "RESULT_NOT_FOUND", /there are no results in empty/],
    [["view", "nothing"], "RESULT_NOT_FOUND", /segment --out/],
    [["view", "results/a.png"], "RESULT_NOT_FOUND", /the folder that holds all/],
    [["view", "file"], "USAGE", /is a file/],
    [["view"], "USAGE", /results/],
    [["view", "results", "--port", "70000"], "USAGE", /65535/],
    [["view", "results", "--write", "--port", "1"], "USAGE", /cannot be used with/],
    [["view", "results", "--images", "../photos"], "USAGE", /--images is for --write/],
    [["view", "results", "--write", "--images", "https://cdn.example/photos/"], "USAGE", /as the page sees it/],
    [["view", "results", "--write", "--images", "//cdn.example/"], "USAGE", /as the page sees it/],
  ])("refuses %j", async (args, code, message) => {
    const ended = await inProcess(folders.root, ...args);

    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain(`[${code}]`);
    expect(ended.stderr).toMatch(message);
  });
});
