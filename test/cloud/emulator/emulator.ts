import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { Batch } from "./batch.js";
import { DeployedCode } from "./deployed-code.js";
import { Functions } from "./functions.js";
import type { JobRunner } from "./job-runner.js";
import { awsEnvironment, type Moto, startMoto } from "./moto.js";
import { Poller } from "./poller.js";
import { AwsProxy } from "./proxy.js";

export interface EmulatorOptions {
  /** With moto. */
  readonly python: string;
  /** Runs the functions. */
  readonly node: string;
  readonly runner: JobRunner;
  /** Folder for logs; made. */
  readonly logs: string;
  /** Waits of Step Functions are multiplied by it. @default 0.05 */
  readonly timeScale?: number;
  /** @default 4 */
  readonly functionConcurrency?: number;
  /** @default 2 */
  readonly jobConcurrency?: number;
}

/** An AWS on this machine: moto behind a proxy, with Lambda's and Batch's running of code beside it. See README.md. */
export class Emulator {
  readonly proxy: AwsProxy;
  readonly functions: Functions;
  readonly batch: Batch;
  readonly poller: Poller;
  readonly #moto: Moto;
  readonly #folder: string;

  private constructor(proxy: AwsProxy, moto: Moto, options: EmulatorOptions) {
    this.proxy = proxy;
    this.#moto = moto;
    this.#folder = mkdtempSync(resolve(tmpdir(), "clustseg-cloud-"));
    const endpoint = () => proxy.url;
    const motoUrl = () => `http://127.0.0.1:${moto.port}`;
    const { logs, node, runner, functionConcurrency, jobConcurrency } = options;
    this.functions = new Functions({
      endpoint,
      motoUrl,
      code: new DeployedCode(motoUrl, options.python, this.#folder),
      node,
      logs,
      ...(functionConcurrency === undefined ? {} : { concurrency: functionConcurrency }),
    });
    this.batch = new Batch({
      endpoint,
      motoUrl,
      runner,
      logs,
      ...(jobConcurrency === undefined ? {} : { concurrency: jobConcurrency }),
    });
    this.poller = new Poller({ endpoint, motoUrl, functions: this.functions });
    proxy.services.push(this.functions.service, this.batch.service);
  }

  static async start(options: EmulatorOptions): Promise<Emulator> {
    mkdirSync(options.logs, { recursive: true });
    const proxy = new AwsProxy();
    await proxy.listen();
    const moto = await startMoto(
      options.python,
      proxy.port,
      options.timeScale ?? 0.05,
      resolve(options.logs, "moto.log"),
    );
    proxy.forwardTo(moto.port);
    return new Emulator(proxy, moto, options);
  }

  /** Environment of a program that works against this AWS; its calls are counted under `caller`. */
  environment(caller: string): Record<string, string> {
    return awsEnvironment(this.proxy.url, caller);
  }

  async stop(): Promise<void> {
    await this.poller.stop();
    await this.functions.reset();
    this.#moto.stop();
    await this.proxy.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
