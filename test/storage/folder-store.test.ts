import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareKeys } from "../../layers/pipeline/keys.js";
import { writeError } from "../../layers/storage/folder-errors.js";
import { namesOfKey, segmentOfName } from "../../layers/storage/folder-keys.js";
import type { FolderProblem } from "../../layers/storage/folder-list.js";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { pidPlace } from "../../layers/storage/processes.js";
import { gather } from "../pipeline/fixtures.js";
import { describeObjectStore, keyArbitrary, oddKeys } from "./store-contract.js";
import { temporaryFolder } from "./temporary-folder.js";

const bytes = (body: string) => new TextEncoder().encode(body);
const keysOf = async (store: FolderStore, prefix = "") => (await gather(store.list(prefix))).map(({ key }) => key);

describeObjectStore("FolderStore", async () => new FolderStore(temporaryFolder()));
describeObjectStore(
  "FolderStore that outlasts a loss of power",
  async () => new FolderStore(temporaryFolder(), { durability: "disk" }),
);

describe("keys and file names", () => {
  it.each([{ windows: false }, { windows: true }])(
    "map one to one, and never out of the folder ($windows)",
    (rules) => {
      fc.assert(
        fc.property(keyArbitrary, (key) => {
          const long = new Map<string, string>();
          const names = namesOfKey(key, rules);
          for (const [i, segment] of key.split("/").entries()) if (names[i]!.long) long.set(names[i]!.name, segment);

          const back = names.map(({ name }) => segmentOfName(name, rules, (hash) => long.get(hash)));

          expect(back.join("/")).toBe(key);
          for (const { name } of names) {
            expect(name).not.toMatch(/^\.{0,2}$|\/|\0|^\.clustseg/);
            if (rules.windows) expect(name).not.toMatch(/[<>:"\\|?*]|[. ]$/);
            expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
          }
        }),
      );
    },
  );

  it("are each other's only partner: no two names for one key", () => {
    const rules = { windows: false };
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.string().map((rest) => `%clustseg-e-${rest}`),
        ),
        (name) => {
          const segment = segmentOfName(name, rules, () => undefined);
          if (
            segment !== undefined &&
            name !== "" &&
            name !== "." &&
            name !== ".." &&
            !name.includes("/") &&
            !name.includes("\0") &&
            Buffer.byteLength(name) <= 255
          ) {
            expect(namesOfKey(`x/${segment}`, rules)[1]!.name).toBe(name);
          }
        },
      ),
      { examples: [["%clustseg-e-..%2Fx"], ["%clustseg-e-a"], ["%clustseg-e-%2e%2e"]] },
    );
  });

  it("round trip through a real folder", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(keyArbitrary, { minLength: 1, maxLength: 6 }), async (candidates) => {
        // A folder cannot hold both "a" and "a/b".
        const keys = candidates.filter(
          (key) => !candidates.some((other) => other !== key && other.startsWith(`${key}/`)),
        );
        const root = temporaryFolder();
        const store = new FolderStore(join(root, "in"));
        for (const key of keys) await store.put(key, bytes(key));

        expect(await keysOf(store)).toEqual([...keys].sort(compareKeys));
        for (const key of keys) expect(Buffer.from((await store.get(key)).body).toString()).toBe(key);
        expect(readdirSync(root)).toEqual(["in"]);
        for (const key of keys) await store.delete(key);
        expect(readdirSync(join(root, "in")).filter((name) => name !== ".clustseg")).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });

  it.each(["..", "../x", "a/../../x", "/etc/passwd", "a//b", "./x"])("stay inside for the key %j", async (key) => {
    const root = temporaryFolder();
    const store = new FolderStore(join(root, "in"));

    await store.put(key, bytes("x"));

    expect(readdirSync(root)).toEqual(["in"]);
    expect(await keysOf(store)).toEqual([key]);
  });

  it("that are no Unicode text, or empty, are refused", async () => {
    const store = new FolderStore(temporaryFolder());

    for (const key of ["", "a\ud800"])
      await expect(store.put(key, bytes("x"))).rejects.toMatchObject({ code: "OBJECT_KEY_INVALID" });
  });

  it("are the plain names of files that were there before", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, "with space"));
    for (const key of oddKeys.filter((key) => !key.includes("/"))) writeFileSync(join(root, key), key);
    writeFileSync(join(root, "with space", `${"ö".repeat(125)}.jpg`), "long");

    const keys = await keysOf(new FolderStore(root));

    expect(keys).toEqual(
      [...oddKeys.filter((key) => !key.includes("/")), `with space/${"ö".repeat(125)}.jpg`].sort(compareKeys),
    );
  });
});

describe("FolderStore meets", () => {
  it("links: those to files and folders inside are followed", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, "real"));
    writeFileSync(join(root, "real", "a.png"), "a");
    symlinkSync("real/a.png", join(root, "link.png"));
    symlinkSync("real", join(root, "also"));
    const store = new FolderStore(root);

    expect(await keysOf(store)).toEqual(["also/a.png", "link.png", "real/a.png"]);
    for (const key of ["also/a.png", "link.png"]) {
      const info = (await store.head(key))!;
      expect(Buffer.from((await store.get(key, { ifMatch: info.etag })).body).toString()).toBe("a");
    }
  });

  it("loops of folders: they are reported, and the listing ends", async () => {
    const root = temporaryFolder();
    for (const name of ["a", "b"]) mkdirSync(join(root, name));
    writeFileSync(join(root, "a", "1.png"), "1");
    symlinkSync("..", join(root, "a", "up"));
    symlinkSync("../b", join(root, "a", "to-b"));
    symlinkSync("../a", join(root, "b", "to-a"));
    symlinkSync(".", join(root, "self"));
    const problems: FolderProblem[] = [];

    const keys = await keysOf(new FolderStore(root, { onProblem: (problem) => problems.push(problem) }));

    expect(keys).toEqual(["a/1.png", "b/to-a/1.png"]);
    expect(new Set(problems.map(({ error }) => error.code))).toEqual(new Set(["OBJECT_LINK_LOOP"]));
    expect(problems.map(({ path }) => path)).toContain(join(root, "self"));
  });

  it("a link to itself, a broken link and a link out: listed, so that each ends as a rejected image, and not read", async () => {
    const outside = temporaryFolder();
    writeFileSync(join(outside, "secret.png"), "secret");
    const root = temporaryFolder();
    symlinkSync("loop.png", join(root, "loop.png"));
    symlinkSync("nowhere.png", join(root, "broken.png"));
    symlinkSync(join(outside, "secret.png"), join(root, "out.png"));
    symlinkSync(outside, join(root, "outside"));
    const problems: FolderProblem[] = [];
    const store = new FolderStore(root, { onProblem: (problem) => problems.push(problem) });

    expect(await keysOf(store)).toEqual(["broken.png", "loop.png", "out.png"]);
    expect(problems.map(({ error }) => error.code)).toEqual(["OBJECT_OUTSIDE_ROOT"]);
    await expect(store.get("loop.png")).rejects.toMatchObject({ code: "OBJECT_LINK_LOOP" });
    await expect(store.get("broken.png")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
    await expect(store.get("out.png")).rejects.toMatchObject({ code: "OBJECT_OUTSIDE_ROOT" });
    await expect(store.get("outside/secret.png")).rejects.toMatchObject({ code: "OBJECT_OUTSIDE_ROOT" });
    await expect(store.put("outside/new/x", bytes("x"))).rejects.toMatchObject({ code: "OBJECT_OUTSIDE_ROOT" });
    await expect(store.delete("outside/secret.png")).rejects.toMatchObject({ code: "OBJECT_OUTSIDE_ROOT" });
    expect(readdirSync(outside)).toEqual(["secret.png"]);
  });

  it("a folder called like an image, and a pipe: no reader hangs", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, "folder.png"));
    spawnSync("mkfifo", [join(root, "pipe.png")]);
    const store = new FolderStore(root);

    await expect(store.get("folder.png")).rejects.toMatchObject({ code: "OBJECT_NOT_A_FILE" });
    await expect(store.get("pipe.png")).rejects.toMatchObject({ code: "OBJECT_NOT_A_FILE" });
    expect(await keysOf(store)).toEqual(["pipe.png"]);
  });

  it("files and folders that may not be read", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, "closed"));
    writeFileSync(join(root, "closed", "a.png"), "a");
    writeFileSync(join(root, "b.png"), "b");
    chmodSync(join(root, "b.png"), 0);
    chmodSync(join(root, "closed"), 0);
    chmodSync(root, 0o755);

    // Permissions do not bind root, so another user has to look.
    const seen = await inChild(root, "permissions", { asNobody: true });
    chmodSync(join(root, "closed"), 0o755);

    expect(seen).toEqual({
      keys: ["b.png"],
      problems: ["OBJECT_UNREADABLE"],
      get: "OBJECT_UNREADABLE",
      put: "STORE_READ_ONLY",
    });
  });

  it.runIf(process.platform === "linux")("names that are not UTF-8: listed, and rejected when read", async () => {
    const root = temporaryFolder();
    writeFileSync(Buffer.concat([Buffer.from(`${root}/bad-`), Buffer.from([0xff, 0xfe]), Buffer.from(".png")]), "x");
    const store = new FolderStore(root);

    const keys = await keysOf(store);

    expect(keys).toEqual(["bad-\ufffd\ufffd.png"]);
    await expect(store.get(keys[0]!)).rejects.toMatchObject({ code: "OBJECT_KEY_INVALID" });
  });

  it.runIf(process.platform === "linux")("folders whose name is not UTF-8: reported", async () => {
    const root = temporaryFolder();
    mkdirSync(Buffer.concat([Buffer.from(`${root}/bad-`), Buffer.from([0xff])]));
    const problems: FolderProblem[] = [];

    expect(await keysOf(new FolderStore(root, { onProblem: (problem) => problems.push(problem) }))).toEqual([]);
    expect(problems.map(({ error }) => error.code)).toEqual(["OBJECT_KEY_INVALID"]);
  });

  it("names that look like its own escapes and are not: reported", async () => {
    const root = temporaryFolder();
    writeFileSync(join(root, "%clustseg-e-..%2Fx.png"), "x");
    const problems: FolderProblem[] = [];

    expect(await keysOf(new FolderStore(root, { onProblem: (problem) => problems.push(problem) }))).toEqual([]);
    expect(problems.map(({ error }) => error.code)).toEqual(["OBJECT_KEY_INVALID"]);
  });

  it("a file that changes between listing and reading, or while it is read", async () => {
    const root = temporaryFolder();
    const path = join(root, "a.png");
    writeFileSync(path, "12345");
    const store = new FolderStore(root);
    const { etag } = (await store.head("a.png"))!;
    utimesSync(path, new Date(), new Date(Date.now() + 5000));
    await expect(store.get("a.png", { ifMatch: etag })).rejects.toMatchObject({ code: "OBJECT_CHANGED" });

    const file = openSync(path, "w");
    writeSync(file, Buffer.alloc(64 * 1024 * 1024));
    const reading = store.get("a.png");
    const writer = setInterval(() => writeSync(file, "more"), 0);
    await expect(reading.finally(() => clearInterval(writer))).rejects.toMatchObject({ code: "OBJECT_CHANGED" });
    closeSync(file);
  });

  it("a file that is replaced while it is read: the old bytes, whole", async () => {
    const root = temporaryFolder();
    writeFileSync(join(root, "a"), "old");
    const store = new FolderStore(root);
    const reading = store.get("a");
    await new Promise((resolve) => setImmediate(resolve));
    writeFileSync(join(root, "b"), "newer");
    renameSync(join(root, "b"), join(root, "a"));

    expect(["old", "newer"]).toContain(Buffer.from((await reading).body).toString());
  });

  it("results among the images: the folders to leave out are not listed", async () => {
    const root = temporaryFolder();
    const out = join(root, "out");
    const store = new FolderStore(root, { exclude: [out] });
    writeFileSync(join(root, "a.png"), "a");
    expect(await keysOf(store)).toEqual(["a.png"]);
    await new FolderStore(out).put("a.png/segments.png", bytes("x"));
    await new FolderStore(join(root, ".clustseg")).put("runs/x", bytes("x"));
    symlinkSync("out", join(root, "link-to-out"));

    expect(await keysOf(store)).toEqual(["a.png"]);
  });

  it("a folder that is not there: nothing is listed, and a write makes it", async () => {
    const store = new FolderStore(join(temporaryFolder(), "not", "yet"));

    expect(await keysOf(store)).toEqual([]);
    await store.put("a", bytes("x"));
    expect(await keysOf(store)).toEqual(["a"]);
  });

  it("a key below another object: refused as that image's own fault", async () => {
    const store = new FolderStore(temporaryFolder());
    await store.put("a", bytes("x"));

    await expect(store.put("a/b", bytes("x"))).rejects.toMatchObject({ code: "OBJECT_NOT_A_FILE", fault: "input" });
    await store.put("c/d", bytes("x"));
    await expect(store.put("c", bytes("x"))).rejects.toMatchObject({ code: "OBJECT_NOT_A_FILE" });
  });
});

describe("temporary files of a FolderStore", () => {
  it("lie in one folder for results and the staging below them, and are no objects there", async () => {
    const root = temporaryFolder();
    const staging = new FolderStore(join(root, ".clustseg"));
    await new FolderStore(root).put("a", bytes("x"));
    await staging.put("runs/x", bytes("x"));

    writeFileSync(join(root, ".clustseg/tmp/left"), "x");

    expect(await keysOf(staging)).toEqual(["runs/x"]);
    expect(readdirSync(join(root, ".clustseg")).sort()).toEqual(["runs", "tmp"]);
  });

  it("are removed at the first write when the process that left them has ended, else after a day", async () => {
    const root = temporaryFolder();
    const folder = join(root, ".clustseg", "tmp");
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    mkdirSync(folder, { recursive: true });
    const ended = `${pidPlace()}-${pid}-0-x`;
    const running = `${pidPlace()}-${process.ppid}-0-x`;
    const elsewhere = `00000000-${pid}-0-x`;
    for (const name of [ended, running, elsewhere, "old"]) writeFileSync(join(folder, name), "x");
    utimesSync(join(folder, "old"), 1e9, 1e9);

    await new FolderStore(root).put("a", bytes("x"));

    expect(readdirSync(folder).sort()).toEqual([elsewhere, running].sort());
  });
});

describe("the folders that a FolderStore makes for itself", () => {
  it("are gone when they are empty, and stay when they are not", async () => {
    const root = temporaryFolder();
    const staging = new FolderStore(join(root, ".clustseg"));
    await new FolderStore(root).put("a", bytes("x"));
    await staging.put("runs/x", bytes("x"));

    new FolderStore(root).tidy();
    expect(readdirSync(join(root, ".clustseg"))).toEqual(["runs"]);
    await staging.delete("runs/x");
    new FolderStore(root).tidy();

    expect(readdirSync(root)).toEqual(["a"]);
  });

  it("are made again by another that is at work there", async () => {
    const root = temporaryFolder();
    const other = new FolderStore(root);
    const staging = new FolderStore(join(root, ".clustseg"));
    const long = "x".repeat(300);
    await other.put(long, bytes("x"));
    await staging.put("runs/x", bytes("x"));

    await other.delete(long);
    await staging.delete("runs/x");
    rmSync(join(root, ".clustseg"), { recursive: true });

    await other.put(long, bytes("y"));
    await other.putLines("lines", ["a"]);
    await staging.put("runs/x", bytes("y"));
    await other.put("large", new Uint8Array(2 * 1024 * 1024));
    expect(await keysOf(other)).toEqual(["large", "lines", long]);
    expect(await keysOf(staging)).toEqual(["runs/x"]);
  });
});

describe("FolderStore on a full disk", () => {
  it("leaves the old object or none, no temporary file, and says STORE_FULL", async () => {
    const root = temporaryFolder();
    chmodSync(root, 0o777);

    // A limit on the size of files ends a write half-way, as a full disk does, and needs no disk to be filled.
    const seen = await inChild(root, "full", { fileLimitKiB: 64 });

    expect(seen).toEqual({
      small: "STORE_FULL",
      large: "STORE_FULL",
      lines: "STORE_FULL",
      kept: "old",
      keys: ["kept"],
    });
    expect(readdirSync(join(root, ".clustseg", "tmp"))).toEqual([]);
  });

  it.runIf(existsSync("/dev/full"))("knows the error that a full device gives", () => {
    let thrown: unknown;
    try {
      writeFileSync("/dev/full", "x");
    } catch (error) {
      thrown = error;
    }

    expect(writeError(thrown, "a.png", "/dev")).toMatchObject({ code: "STORE_FULL", fault: "system", retryable: true });
  });
});

describe("FolderStore's bodies", () => {
  it("can be transferred to a worker: no other body shares their memory", async () => {
    const root = temporaryFolder();
    for (const name of ["a", "b"]) writeFileSync(join(root, name), name);
    const store = new FolderStore(root);
    const [a, b] = [await store.get("a"), await store.get("b")];

    structuredClone(a.body.buffer, { transfer: [a.body.buffer as ArrayBuffer] });

    expect(Buffer.from(b.body).toString()).toBe("b");
    expect(a.body.byteLength).toBe(0);
  });

  it("keep the time of the file in the etag, so that a copied folder has the same ones", async () => {
    const [one, two] = [temporaryFolder(), temporaryFolder()];
    writeFileSync(join(one, "a"), "x");
    writeFileSync(join(two, "a"), readFileSync(join(one, "a")));
    const { mtime } = statSync(join(one, "a"));
    utimesSync(join(one, "a"), mtime, mtime);
    utimesSync(join(two, "a"), mtime, mtime);

    expect((await new FolderStore(two).head("a"))?.etag).toBe((await new FolderStore(one).head("a"))?.etag);
  });
});

interface ChildOptions {
  readonly asNobody?: boolean;
  readonly fileLimitKiB?: number;
}

/** Run folder-child.ts in a process of its own, under another user or a limit. */
async function inChild(root: string, what: string, { asNobody = false, fileLimitKiB }: ChildOptions): Promise<unknown> {
  const folder = temporaryFolder();
  const script = join(folder, "child.mjs");
  await build({
    entryPoints: [join(import.meta.dirname, "folder-child.ts")],
    outfile: script,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
  });
  chmodSync(folder, 0o755);
  const limit = fileLimitKiB === undefined ? "" : `ulimit -f ${fileLimitKiB * 2}; `; // sh counts blocks of 512 bytes;
  const isRoot = process.getuid?.() === 0;
  const { stdout, stderr } = spawnSync(
    "sh",
    ["-c", `${limit}exec "$0" "$1" "$2" "$3"`, process.execPath, script, root, what],
    {
      encoding: "utf8",
      cwd: "/",
      ...(asNobody && isRoot ? { uid: 65534, gid: 65534 } : {}),
    },
  );
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout);
}
