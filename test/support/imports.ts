import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import { build, transform } from "esbuild";

/** One import as it is written in a file. */
export interface Import {
  readonly file: string;
  /** What stands between the quotes. */
  readonly specifier: string;
  /** The file of ours that is meant, or undefined for a package and for a module of Node. */
  readonly target: string | undefined;
  /** True when nothing of it is left once types are stripped. */
  readonly typeOnly: boolean;
}

/** Path below the repository, with "/" -> TypeScript. */
export type Sources = ReadonlyMap<string, string>;

/** Reads files of the repository into memory, where a test may add files that break a rule. */
export async function readSources(root: string, files: readonly string[]): Promise<Map<string, string>> {
  const texts = await Promise.all(files.map((file) => readFile(posix.join(root, file), "utf8")));
  return new Map(files.map((file, index) => [file, texts[index] as string]));
}

/** esbuild drops imports of types before anybody sees them; without the word they are imports like all others. */
const revealTypes = (text: string): string =>
  text.replace(/^(import(?= type [\w*{])|export(?= type [*{])) type /gm, "$1");

async function parse(sources: Sources, read: (text: string) => string): Promise<Map<string, Set<string>>> {
  const found = new Map([...sources.keys()].map((file) => [file, new Set<string>()]));
  await build({
    entryPoints: [...sources.keys()],
    outdir: "nowhere",
    format: "esm",
    write: false,
    bundle: true,
    logLevel: "silent",
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    plugins: [
      {
        name: "note-imports",
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
            // esbuild writes "a.ts" as "./a.ts" when such a file is on the disk as well.
            if (kind === "entry-point") return { path: posix.normalize(path), namespace: "memory" };
            found.get(importer)?.add(path);
            return { path, external: true };
          });
          onLoad({ filter: /.*/, namespace: "memory" }, ({ path }) => ({
            contents: read(sources.get(path) as string),
            loader: "ts",
          }));
        },
      },
    ],
  });
  return found;
}

/** Every import, export-from, import() and require() of the given files, by esbuild's parser. */
export async function readImports(sources: Sources): Promise<readonly Import[]> {
  const [all, left] = await Promise.all([parse(sources, revealTypes), parse(sources, (text) => text)]);
  return [...all].flatMap(([file, specifiers]) =>
    [...specifiers].map((specifier) => ({
      file,
      specifier,
      target: specifier.startsWith(".") ? resolve(sources, file, specifier) : undefined,
      typeOnly: !left.get(file)?.has(specifier),
    })),
  );
}

/** "./b.js" is b.ts, as TypeScript has it, unless there is a b.js. */
function resolve(sources: Sources, file: string, specifier: string): string {
  const path = posix.join(posix.dirname(file), specifier);
  return sources.has(path) ? path : path.replace(/\.js$/, ".ts");
}

/** Which of the global names (such as `process.env` or `fetch`) a file uses as globals, by esbuild's scope analysis. */
export async function readGlobals(text: string, names: readonly string[]): Promise<readonly string[]> {
  const marks = names.map((_, index) => `__wall_${index}__`);
  const { code } = await transform(text, {
    loader: "ts",
    format: "esm",
    define: Object.fromEntries(names.map((name, index) => [name, marks[index] as string])),
  });
  return names.filter((_, index) => code.includes(marks[index] as string));
}
