import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { expect, test } from "vitest";
import { type Ending, expectOutcomes, upload, uploadAll } from "../check.js";
import { clustseg, messages, openCloud, settled } from "../cloud.js";
import { poisonImages } from "../images.js";
import { all, tinyImages } from "../runs.js";

const cloud = await openCloud();
const stack = await cloud.stack("dev");
const { proxy } = cloud.emulator;

test("8 poison images are rejected with their codes, and harm no image beside them", async () => {
  const since = proxy.ledger.mark();
  const good = await tinyImages("mixed/", 20, 10);
  const expected = new Map<string, Ending>(all(good.keys(), "segmented"));
  const images = new Map(good);
  for (const [name, { body, code }] of await poisonImages()) {
    images.set(`mixed/${name}`, body);
    expected.set(`mixed/${name}`, code);
  }

  await uploadAll(cloud, stack, images);
  await settled(cloud, stack);

  await expectOutcomes(cloud, stack, expected, { since });
});

test("8 a poison message ends in the dead-letter queue, and can be sent back from there", async () => {
  const { IntakeQueueUrl = "", DeadLetterQueueUrl = "" } = stack.outputs;
  const since = proxy.ledger.mark();
  const before = await messages(cloud, DeadLetterQueueUrl);
  const broken = JSON.stringify({ source: "aws.s3", "detail-type": "Object Created", detail: "no object" });

  await cloud.sqs.send(new SendMessageCommand({ QueueUrl: IntakeQueueUrl, MessageBody: broken }));
  const [image] = await tinyImages("beside poison/", 1, 11);
  await upload(cloud, stack, ...image!);
  await settled(cloud, stack);

  expect(await messages(cloud, DeadLetterQueueUrl)).toBe(before + 1);
  await expectOutcomes(cloud, stack, new Map([[image![0], "segmented"]]), { since });

  // Nobody has repaired intake meanwhile: it comes back to intake, fails as before, and ends there again.
  const redrive = await clustseg(cloud, stack, "redrive", "--messages", "--json");
  expect(redrive.code, redrive.stderr).toBe(0);
  await settled(cloud, stack);
  expect(await messages(cloud, DeadLetterQueueUrl)).toBe(before + 1);
});
