import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { unsigned } from "./moto.js";

const execute = promisify(execFile);

/**
 * The code that was deployed, unpacked: the zip of each function and of each layer, as the deployment put them into its bucket.
 * They lie outside the repository, so that nothing is found there that would not be on Lambda.
 */
export class DeployedCode {
  readonly #motoUrl: () => string;
  readonly #python: string;
  readonly #folder: string;
  readonly #unpacking = new Map<string, Promise<string>>();
  /** Stands for /var/runtime/node_modules: the AWS SDK that the runtime brings, and nothing else. */
  readonly runtimeModules: string;

  constructor(motoUrl: () => string, python: string, folder: string) {
    this.#motoUrl = motoUrl;
    this.#python = python;
    this.#folder = folder;
    this.runtimeModules = resolve(folder, "runtime/node_modules");
    mkdirSync(this.runtimeModules, { recursive: true });
    for (const scope of ["@aws-sdk", "@smithy"]) {
      const link = resolve(this.runtimeModules, scope);
      rmSync(link, { force: true });
      symlinkSync(resolve("node_modules", scope), link);
    }
  }

  /** @returns folder */
  async ofFunction(name: string): Promise<string> {
    const found = await this.#rest(`/2015-03-31/functions/${encodeURIComponent(name)}`);
    return this.#unpack((found as { Code: { Location: string } }).Code.Location);
  }

  /** @returns what stands for /opt with these layers, one over the other */
  async ofLayers(arns: readonly string[]): Promise<string> {
    const parts: string[] = [];
    for (const arn of arns) {
      const match = /:layer:([^:]+):(\d+)$/.exec(arn);
      const found = await this.#rest(`/2018-10-31/layers/${match?.[1]}/versions/${match?.[2]}`);
      parts.push(await this.#unpack((found as { Content: { Location: string } }).Content.Location));
    }
    if (parts.length === 1) return parts[0]!;
    const folder = resolve(this.#folder, `opt-${createHash("sha256").update(parts.join()).digest("hex").slice(0, 16)}`);
    if (existsSync(folder)) return folder;
    const half = `${folder}.${process.pid}`;
    mkdirSync(half, { recursive: true });
    for (const part of parts) cpSync(part, half, { recursive: true });
    if (existsSync(folder)) rmSync(half, { recursive: true });
    else renameSync(half, folder);
    return folder;
  }

  #unpack(location: string): Promise<string> {
    const known = this.#unpacking.get(location);
    if (known !== undefined) return known;
    const unpacked = (async () => {
      const path = location.replace(/^s3:\//, "");
      const folder = resolve(this.#folder, path.slice(path.lastIndexOf("/") + 1).replace(/\.zip$/, ""));
      if (existsSync(folder)) return folder;
      const answer = await fetch(`${this.#motoUrl()}${path}`, { headers: unsigned("s3") });
      if (!answer.ok) throw new Error(`the code at ${location} is not there (${answer.status})`);
      const zip = `${folder}.zip`;
      writeFileSync(zip, Buffer.from(await answer.arrayBuffer()));
      await execute(this.#python, ["-m", "zipfile", "-e", zip, `${folder}.half`]);
      rmSync(zip);
      renameSync(`${folder}.half`, folder);
      return folder;
    })();
    this.#unpacking.set(location, unpacked);
    return unpacked;
  }

  async #rest(path: string): Promise<unknown> {
    const answer = await fetch(`${this.#motoUrl()}${path}`, { headers: unsigned("lambda") });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }
}
