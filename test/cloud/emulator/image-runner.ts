import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import type { ContainerEnd, ContainerStart, JobRunner, RunningContainer } from "./job-runner.js";
import { endOf, startProcess } from "./process-runner.js";

const execute = promisify(execFile);

/** As scripts/image-builder.mjs sets it, whose images these are. */
const buildahEnvironment = {
  BUILDAH_ISOLATION: process.env["BUILDAH_ISOLATION"] ?? "chroot",
  STORAGE_DRIVER: process.env["STORAGE_DRIVER"] ?? "vfs",
};
const inBuildah = { env: { ...process.env, ...buildahEnvironment } };

/**
 * Runs jobs from the built image. Docker and podman start a container of it with a read-only root, as ECS does. buildah has
 * the image's files, user and start command, in a chroot: no read-only root, no limits, no network of its own.
 */
export function imageRunner(builder: "buildah" | "docker" | "podman"): JobRunner {
  if (builder === "buildah") return buildahRunner();
  return {
    description: `the built image, started by ${builder}`,
    start(container) {
      const name = `clustseg-${container.environment["AWS_BATCH_JOB_ID"]}-${container.environment["AWS_BATCH_JOB_ATTEMPT"]}`;
      const running = startProcess(
        builder,
        [
          ...["run", "--rm", "--name", name, "--network", "host", "--read-only", "--tmpfs", "/tmp", "--pull", "never"],
          ...environmentWords(container),
          container.image,
          ...(container.command ?? []),
        ],
        container,
        {},
      );
      return {
        signal: (signal) => void execute(builder, ["kill", "--signal", signal, name]).catch(() => {}),
        ended: running.ended,
      };
    },
  };
}

interface ImageConfiguration {
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
}

function buildahRunner(): JobRunner {
  // Making a container copies or mounts the image, which takes longer than a small job: those that are free are used again.
  const free = new Map<string, string[]>();
  const configurations = new Map<string, Promise<ImageConfiguration>>();
  const configurationOf = (image: string): Promise<ImageConfiguration> => {
    const known = configurations.get(image);
    if (known !== undefined) return known;
    const read = execute("buildah", ["inspect", "--type", "image", image], inBuildah).then(
      ({ stdout }) => (JSON.parse(stdout) as { Docker: { config: ImageConfiguration } }).Docker.config,
    );
    configurations.set(image, read);
    return read;
  };

  async function begin(
    container: ContainerStart,
  ): Promise<{ readonly running: RunningContainer; readonly name: string }> {
    const { image, command } = container;
    const { Entrypoint, Cmd } = await configurationOf(image);
    const name =
      free.get(image)?.pop() ??
      (await execute("buildah", ["from", "--pull-never", image], inBuildah)).stdout.trim().split("\n").at(-1)!;
    const words = [...(Entrypoint ?? []), ...(command ?? Cmd ?? [])];
    const running = startProcess("buildah", ["run", ...environmentWords(container), name, "--", ...words], container, {
      ...buildahEnvironment,
      HOME: process.env["HOME"] ?? "/root",
    });
    return { running, name };
  }

  return {
    description: "the built image, started by buildah (chroot isolation)",
    start(container) {
      const wanted: ("SIGTERM" | "SIGKILL")[] = [];
      let begun: RunningContainer | undefined;
      let isKilled = false;
      const marker = `AWS_ACCESS_KEY_ID=${container.environment["AWS_ACCESS_KEY_ID"]}`;
      const ended = (async (): Promise<ContainerEnd> => {
        try {
          const { running, name } = await begin(container);
          begun = running;
          for (const signal of wanted) signalMarked(marker, signal);
          const end = await running.ended;
          free.set(container.image, [...(free.get(container.image) ?? []), name]);
          // buildah says 1 of a process that a signal has ended.
          return isKilled && end.exitCode !== 0 ? endOf(null, "SIGKILL") : end;
        } catch (error) {
          console.error(`The image ${container.image} could not be started:`, error);
          return { exitCode: 127, reason: `CannotStartContainerError: ${String(error)}` };
        }
      })();
      return {
        ended,
        signal(name) {
          if (name === "SIGKILL") isKilled = true;
          if (begun === undefined) wanted.push(name);
          else signalMarked(marker, name);
        },
      };
    },
  };
}

function environmentWords({ environment }: ContainerStart): string[] {
  return Object.entries(environment).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
}

/** buildah does not pass signals on; the container's own processes are those that carry this job's environment. */
function signalMarked(marker: string, signal: "SIGTERM" | "SIGKILL"): void {
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (readFileSync(`/proc/${entry}/environ`, "utf8").split("\0").includes(marker))
        process.kill(Number(entry), signal);
    } catch {
      // It has ended meanwhile, or belongs to somebody else.
    }
  }
}
