import { GetQueueAttributesCommand, SetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { expect, test } from "vitest";
import { expectOutcomes, placeAll, uploadAll } from "../check.js";
import { clustseg, openCloud, runsOf, settled } from "../cloud.js";
import { Faults } from "../emulator/faults.js";
import { all, submit, tinyImages } from "../runs.js";

const cloud = await openCloud();
const stack = await cloud.stack("dev");
const { proxy } = cloud.emulator;

/**
 * What an operator does in the morning: each run that has failed (a client that has failed too often gives up, as the SDK's retry quota
 * demands) is taken up. @returns how many that were
 */
async function redriveFailed(before: ReadonlySet<string>): Promise<number> {
  const runs = (await runsOf(cloud, stack)).filter(({ name }) => !before.has(name));
  const failed = runs.filter(
    ({ name, status }) => status === "FAILED" && !runs.some((other) => other.name === retryOf(name)),
  );
  for (const { name } of failed) {
    const answer = await clustseg(cloud, stack, "redrive", name.replace(/-retry-\d+$/, ""), "--json");
    expect(answer.code, answer.stderr).toBe(0);
  }
  return failed.length;
}

/** @returns what it was before, in seconds */
async function setVisibility(seconds: string): Promise<string> {
  const QueueUrl = stack.outputs["IntakeQueueUrl"];
  const { Attributes } = await cloud.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["VisibilityTimeout"] }),
  );
  await cloud.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { VisibilityTimeout: seconds } }));
  return Attributes?.["VisibilityTimeout"] ?? "30";
}

/** The execution that goes on with this one. */
function retryOf(name: string): string {
  const [, run = name, number = "0"] = /^(.*)-retry-(\d+)$/.exec(name) ?? [];
  return `${run}-retry-${Number(number) + 1}`;
}

test("7 throttling, errors and cut connections of S3 and SQS: 1,000 faults, nothing lost, nothing twice", async () => {
  const bulk = await tinyImages("faulty/bulk/", 300, 8);
  const uploads = await tinyImages("faulty/uploads/", 60, 9);
  await placeAll(cloud, stack, bulk);
  const before = new Set((await runsOf(cloud, stack)).map(({ name }) => name));
  const since = proxy.ledger.mark();
  const faults = new Faults({ seed: 7, rate: 0.2, total: 1000 });
  const unwatch = proxy.watch((call) => faults.decide(call));
  // A message whose delivery was lost comes again when the queue's visibility timeout has passed: minutes, as deployed.
  const visibility = await setVisibility("10");
  let redriven = 0;

  try {
    await submit(cloud, stack, "faulty/bulk/");
    await uploadAll(cloud, stack, uploads);
    await settled(cloud, stack, 280);
    // Until the thousand are full: more uploads.
    for (let round = 1; faults.count < 1000 && round < 20; round++) {
      const more = await tinyImages(`faulty/more ${round}/`, 80, 90 + round);
      await uploadAll(cloud, stack, more);
      for (const [key, body] of more) uploads.set(key, body);
      await settled(cloud, stack, 280);
    }
    for (let round = 0; round < 5; round++) {
      const again = await redriveFailed(before);
      if (again === 0) break;
      redriven += again;
      await settled(cloud, stack, 280);
    }
  } finally {
    unwatch();
    await setVisibility(visibility);
  }

  const given = [...faults.given].map(([what, count]) => `${what}: ${count}`).sort();
  console.log(
    `${faults.count} faults over ${bulk.size + uploads.size} images (seed 7), ${redriven} runs redriven:\n  ${given.join("\n  ")}`,
  );
  expect(faults.count).toBe(1000);
  await expectOutcomes(cloud, stack, all([...bulk.keys(), ...uploads.keys()], "segmented"), { since });
}, 900_000);
