/** Starts the command of a job's container. Two ways: the built image (images.ts), or the built worker as a plain process. */
export interface JobRunner {
  /** Said in the tests' output. */
  readonly description: string;
  start(container: ContainerStart): RunningContainer;
}

export interface ContainerStart {
  readonly image: string;
  /** Overrides the image's CMD; undefined: that itself. */
  readonly command: readonly string[] | undefined;
  readonly environment: Readonly<Record<string, string>>;
  /** File that takes what it prints. */
  readonly log: string;
}

export interface RunningContainer {
  /** To the container's own process, as ECS does it, and not to what started it. */
  signal(name: "SIGTERM" | "SIGKILL"): void;
  readonly ended: Promise<ContainerEnd>;
}

export interface ContainerEnd {
  readonly exitCode: number;
  /** ECS's word for what went wrong, or "". */
  readonly reason: string;
}
