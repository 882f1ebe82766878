import { expect } from "vitest";
import { type Cloud, clustseg, type Run, runsOf, type Stack } from "./cloud.js";
import { tinyImage } from "./images.js";

/** `count` images, none like another, below a prefix. */
export async function tinyImages(prefix: string, count: number, seed: number): Promise<Map<string, Uint8Array>> {
  const images = new Map<string, Uint8Array>();
  for (let i = 0; i < count; i++) {
    images.set(`${prefix}${String(i).padStart(5, "0")}.png`, await tinyImage(seed * 100_000 + i));
  }
  return images;
}

/** The same ending for all of them. */
export function all<T>(keys: Iterable<string>, ending: T): Map<string, T> {
  return new Map([...keys].map((key) => [key, ending]));
}

/** `clustseg submit`, as a person types it. @returns the run's id */
export async function submit(cloud: Cloud, stack: Stack, prefix: string, ...more: string[]): Promise<string> {
  const answer = await clustseg(cloud, stack, "submit", `s3://${stack.uploads}/${prefix}`, "--json", ...more);
  expect(answer.code, answer.stderr).toBe(0);
  const { run_id: runId } = JSON.parse(answer.stdout.trim().split("\n").at(-1) ?? "") as { run_id: string };
  expect(runId).toMatch(/^s-/);
  return runId;
}

/** Resolves when an execution has ended. @throws Error after `seconds` */
export async function ended(cloud: Cloud, stack: Stack, name: string, seconds = 240): Promise<Run> {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    const run = (await runsOf(cloud, stack)).find((one) => one.name === name);
    if (run !== undefined && run.status !== "RUNNING") return run;
    if (Date.now() > until) throw new Error(`run ${name} was ${run?.status ?? "not there"} after ${seconds} s`);
    await new Promise((wait) => setTimeout(wait, 300));
  }
}

/** A seeded generator of numbers from 0 to 1. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
