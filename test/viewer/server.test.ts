import { mkdir, readFile, symlink, utimes, writeFile } from "node:fs/promises";
import { type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { contentSecurityPolicy } from "../../layers/viewer/guard.js";
import { imageType } from "../../layers/viewer/source-image.js";
import { drawScene, writeResult, writeScene } from "./scenes.js";
import { useFolders, useViewer } from "./serve.js";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

const secret = "nobody may read this";
const hostileNames = ["line\r\nx-evil: 1.png", 'quote"; filename="x-evil.png', "x-evil\u2028文字😀ü.png"];

describe("the viewer's server", () => {
  const folders = useFolders(async ({ root, images, results }) => {
    await writeScene({ images, results }, "a/b c.png", drawScene(1, 48, 32));
    await writeScene({ images, results }, "changed.png", drawScene(2, 48, 32));
    await utimes(path.join(images, "changed.png"), 1, 1);
    // Results can be a stranger's: these name as their image a file that is none.
    await writeFile(path.join(images, "passwd"), `root:${secret}`);
    await writeResult({ images, results }, "passwd", drawScene(3, 48, 32));
    await mkdir(path.join(results, "private.jpg"), { recursive: true });
    await writeFile(path.join(results, "private.jpg", "notes.txt"), secret);
    await writeFile(path.join(results, "secret.txt"), secret);
    await writeFile(path.join(root, "outside.png"), secret);
    // Names that would end a header, if they came into one; and an etag that would.
    for (const key of hostileNames) await writeScene({ images, results }, key, drawScene(4, 48, 32));
    const evil = path.join(results, "etag.png", "metadata.json");
    await writeScene({ images, results }, "etag.png", drawScene(5, 48, 32));
    const named = JSON.parse(await readFile(evil, "utf8"));
    named.source.etag = 'x"\r\nx-evil: 1';
    await writeFile(evil, JSON.stringify(named));
    await mkdir(path.join(results, "link.jpg"));
    await symlink(path.join(root, "outside.png"), path.join(results, "link.jpg", "segments.png"));
    await writeFile(
      path.join(results, "link.jpg", "metadata.json"),
      await readFile(path.join(results, "a/b c.png/metadata.json")),
    );
  });
  const viewer = useViewer(() => [{ name: "masks", results: new FolderStore(folders.results) }]);
  const numbers = new Map<string, string>();

  function ask(pathname: string, options: { method?: string; headers?: Record<string, string> } = {}): Promise<Answer> {
    const { hostname, port } = new URL(viewer.url);
    return new Promise((resolve, reject) => {
      // As it is written: `fetch` would tidy up "..".
      const sent = request({ hostname, port, path: pathname, ...options }, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("end", () => {
          const body = Buffer.concat(parts);
          resolve({ status: response.statusCode!, headers: response.headers, body, text: body.toString() });
        });
      });
      sent.on("error", reject);
      sent.end();
    });
  }

  beforeAll(async () => {
    const { text } = await ask("/a.jsonl");
    for (const line of text
      .trim()
      .split("\n")
      .map((one) => JSON.parse(one)))
      if ("key" in line) numbers.set(line.key, line.path);
  });

  it("serves the page, its index and the files of results", async () => {
    const number = numbers.get("a/b c.png");
    const [page, script, config, png] = await Promise.all(
      ["/", "/viewer.js", "/viewer.json", `/a/${number}/segments.png`].map((one) => ask(one)),
    );

    expect(page!.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(page!.text).toContain("<title>ClustSeg</title>");
    expect(script!.headers["content-type"]).toBe("text/javascript; charset=utf-8");
    expect(JSON.parse(config!.text)).toEqual({
      schema: "clustseg.viewer/1",
      runs: [{ name: "masks", index: "a.jsonl", files: "a/" }],
    });
    expect(png!.body.equals(await readFile(path.join(folders.results, "a/b c.png/segments.png")))).toBe(true);
    expect(png!.headers["content-type"]).toBe("image/png");
  });

  it("serves the image that was segmented", async () => {
    const { status, headers, body } = await ask(`/a/${numbers.get("a/b c.png")}/image`);

    expect([status, headers["content-type"]]).toEqual([200, "image/png"]);
    expect(body.equals(await readFile(path.join(folders.images, "a/b c.png")))).toBe(true);
  });

  it.each([...hostileNames, "etag.png"])("lets no name and no etag of a stranger into a header: %j", async (key) => {
    const number = numbers.get(key);
    expect(number).toBeDefined();
    const plain = numbers.get("a/b c.png");
    for (const file of ["segments.png", "metadata.json", "image"]) {
      const { headers, status } = await ask(`/a/${number}/${file}`);
      const usual = await ask(`/a/${plain}/${file}`);

      expect(status).toBe(key === "etag.png" && file === "image" ? 404 : 200);
      expect(JSON.stringify(headers)).not.toMatch(/evil/i);
      if (status === 200) expect(Object.keys(headers).sort()).toEqual(Object.keys(usual.headers).sort());
    }
  });

  it("does not serve an image that has changed since", async () => {
    expect((await ask(`/a/${numbers.get("changed.png")}/image`)).status).toBe(404);
  });

  it("does not serve as the image what is no picture, whatever a result says", async () => {
    const { status, text } = await ask(`/a/${numbers.get("passwd")}/image`);

    expect(status).toBe(404);
    expect(text).not.toContain(secret);
  });

  it.each([
    "/../secret.txt",
    "/a/../secret.txt",
    "/a/0/../../secret.txt",
    "/a/0/%2e%2e/%2e%2e/secret.txt",
    "/a/0/..%2f..%2fsecret.txt",
    "/a/0/..\\..\\secret.txt",
    "//secret.txt",
    "/secret.txt",
    "/results/secret.txt",
    "/a/0/notes.txt",
    "/a/0/",
    "/a/0",
    "/a/-1/segments.png",
    "/a/99999/segments.png",
    "/a/0x0/segments.png",
    "/a/1e1/segments.png",
    "/a/0/segments.png/",
    "/a/0/segments.png%00",
    "/a/0/constructor",
    "/a/__proto__/segments.png",
    "/b/0/segments.png",
    "/b.jsonl",
    "/index.html/",
    "/package.json",
    "/viewer.js.map",
    "/%",
    "/%E0%A4%A",
    "/etc/passwd",
    "/a/0/file:///etc/passwd",
    "*",
  ])("has nothing at %s", async (address) => {
    const { status, text } = await ask(address);

    expect(status).toBe(404);
    expect(text).not.toContain(secret);
  });

  it("does not follow a link out of the results", async () => {
    const { status, text } = await ask(`/a/${numbers.get("link.jpg")}/segments.png`);

    expect(status).toBe(404);
    expect(text).not.toContain(secret);
  });

  it.each([
    "evil.example",
    "evil.example:80",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "127.0.0.2",
    "127.0.0.1@evil",
  ])("refuses the Host %j, as a name that was made to point here sends its own", async (host) => {
    const { status, text } = await ask("/a.jsonl", { headers: { host } });
    expect(status).toBe(403);
    expect(text).not.toContain("scene");
  });

  it.each(["127.0.0.1", "localhost", "LOCALHOST:8123", "[::1]:9"])(
    "takes the Host %s, as ports are forwarded",
    async (host) => {
      expect((await ask("/viewer.json", { headers: { host } })).status).toBe(200);
    },
  );

  it("refuses a request without a Host", async () => {
    const { hostname, port } = new URL(viewer.url);
    const text = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname, () => socket.write("GET /viewer.json HTTP/1.0\r\n\r\n"));
      let all = "";
      socket.on("data", (data) => {
        all += data;
      });
      socket.on("close", () => resolve(all));
    });
    expect(text).toMatch(/^HTTP\/1\.1 403 /);
  });

  it("is for other sites neither to read nor to embed", async () => {
    const headers = { origin: "https://evil.example", "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors" };
    expect((await ask("/a.jsonl", { headers })).status).toBe(403);
    expect((await ask("/", { headers: { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" } })).status).toBe(
      200,
    );

    const { headers: answered } = await ask("/viewer.json", { headers: { origin: "https://evil.example" } });
    expect(Object.keys(answered).filter((name) => name.startsWith("access-control"))).toEqual([]);
    expect(answered["cross-origin-resource-policy"]).toBe("same-origin");
  });

  it.each(["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])("refuses %s", async (method) => {
    const { status, headers } = await ask("/viewer.json", { method });
    expect([status, headers.allow]).toEqual([405, "GET, HEAD"]);
  });

  it("answers HEAD as GET, without the body", async () => {
    for (const address of ["/", "/a.jsonl", `/a/${numbers.get("a/b c.png")}/metadata.json`]) {
      const [get, head] = [await ask(address), await ask(address, { method: "HEAD" })];
      expect(head.body).toHaveLength(0);
      expect([head.status, head.headers["content-type"], head.headers["content-length"]]).toEqual([
        200,
        get.headers["content-type"],
        get.headers["content-length"],
      ]);
    }
  });

  it("does not send again what the browser has", async () => {
    const address = `/a/${numbers.get("a/b c.png")}/segments.png`;
    const { headers } = await ask(address);

    const again = await ask(address, { headers: { "if-none-match": headers.etag! } });

    expect([again.status, again.body.length]).toEqual([304, 0]);
  });

  it.each(["/", "/viewer.js", "/a.jsonl", "/nothing", "/viewer.json"])(
    "sends %s with all that keeps the page in its place",
    async (address) => {
      const { headers } = await ask(address);

      expect(headers["content-security-policy"]).toBe(contentSecurityPolicy);
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["referrer-policy"]).toBe("no-referrer");
    },
  );

  it("listens on this machine's own address only", () => {
    expect(new URL(viewer.url).hostname).toBe("127.0.0.1");
  });
});

describe("the content security policy", () => {
  it("allows nothing inline, no eval, and nothing from elsewhere", () => {
    expect(contentSecurityPolicy).not.toMatch(/unsafe|\*|data:|https?:/);
    expect(contentSecurityPolicy).toContain("default-src 'none'");
    expect(contentSecurityPolicy).toContain("connect-src 'self'");
  });

  it("is in the page as well, for places that set no headers", async () => {
    const page = await readFile(new URL("../../layers/viewer/page/index.html", import.meta.url), "utf8");
    const [, inPage] = /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(page)!;
    // In a <meta>, browsers take no frame-ancestors.
    expect(inPage).toBe(contentSecurityPolicy.replace("frame-ancestors 'none'; ", ""));
  });
});

describe("a picture", () => {
  it.each([
    ["image/jpeg", "ffd8ffe000104a46"],
    ["image/png", "89504e470d0a1a0a0000000d"],
    ["image/gif", "474946383961"],
    ["image/webp", "524946460a00000057454250"],
    ["image/avif", "0000001c6674797061766966"],
    [undefined, "49492a00"],
    [undefined, Buffer.from("<svg xmlns=").toString("hex")],
    [undefined, Buffer.from("<!doctype html>").toString("hex")],
    [undefined, ""],
  ])("is %s by its first bytes", (type, hex) => {
    expect(imageType(Buffer.from(hex, "hex"))).toBe(type);
  });
});
