import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { refusedCalls, type SeenCall } from "../../infra/support/calls.js";
import type { Template } from "../../infra/support/synth.js";
import { upload } from "../check.js";
import { openCloud, settled } from "../cloud.js";

const cloud = await openCloud();
const stack = await cloud.stack("dev");

// The last of the scenarios: the ledger holds what all of them have done. By itself it has a few images of its own.
test("14 every call that a stage has made is one that its role may make", async () => {
  const { ledger } = cloud.emulator.proxy;
  const image = await readFile("examples/images/cat.jpg");
  for (let i = 0; i < 10; i++)
    await upload(cloud, stack, `permissions/${i}.jpg`, Buffer.concat([image, Buffer.from([i])]));
  await settled(cloud, stack);
  const template: Template = JSON.parse(await readFile(stack.templateFile, "utf8"));
  const places = new Map<string, SeenCall["place"]>([
    [stack.uploads, "uploads"],
    [stack.staging, "staging"],
    [stack.results, "results"],
  ]);

  const seen = ledger.entries().flatMap(({ service, bucket, stage, operation, key, versionId }): SeenCall[] => {
    const place = places.get(bucket);
    return service !== "s3" || place === undefined ? [] : [{ stage, operation, place, key, versionId }];
  });

  const stages = [...new Set(seen.map(({ stage }) => stage))];
  expect(stages).toEqual(expect.arrayContaining(["intake", "plan", "segment", "publish", "summarize"]));
  expect(refusedCalls(template, seen)).toEqual([]);
});
