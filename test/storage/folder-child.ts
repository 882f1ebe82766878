import { FolderStore } from "../../layers/storage/folder-store.js";
import { gather } from "../pipeline/fixtures.js";

/** What folder-store.test.ts runs in a process of its own. Arguments: folder, what. Prints what came of it as JSON. */
const [root = "", what = ""] = process.argv.slice(2);

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: { code?: string }) => error.code ?? String(error),
  );

const checks: Record<string, () => Promise<unknown>> = {
  async permissions() {
    const problems: string[] = [];
    const store = new FolderStore(root, { onProblem: ({ error }) => problems.push(error.code) });
    const keys = (await gather(store.list(""))).map(({ key }) => key);
    return {
      keys,
      problems,
      get: await codeOf(store.get("b.png")),
      put: await codeOf(store.put("c.png", new Uint8Array(1))),
    };
  },
  async full() {
    const store = new FolderStore(root);
    await store.put("kept", new TextEncoder().encode("old"));
    const lines = Array.from({ length: 2000 }, () => "x".repeat(1000));
    return {
      small: await codeOf(store.put("kept", new Uint8Array(200_000))),
      large: await codeOf(store.put("large", new Uint8Array(20_000_000))),
      lines: await codeOf(store.putLines("lines", lines)),
      kept: new TextDecoder().decode((await store.get("kept")).body),
      keys: (await gather(store.list(""))).map(({ key }) => key),
    };
  },
};

process.stdout.write(JSON.stringify(await checks[what]?.()));
