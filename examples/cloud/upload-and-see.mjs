// The cloud in use by a program: put an image into the uploads bucket, wait for its result, draw a picture of it.
//
//   node examples/cloud/upload-and-see.mjs IMAGE [PICTURE]
//
// The stack is clustseg-dev, or what CLUSTSEG_STACK names; who you are and where, the AWS SDK finds as it always does. docs/deploy.md
// deploys the stack.
import { readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { GetObjectCommand, NoSuchKey, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import sharp from "sharp";

const [image, picture = "picture.png"] = process.argv.slice(2);
if (image === undefined) {
  console.error("node examples/cloud/upload-and-see.mjs IMAGE [PICTURE]");
  process.exit(2);
}

// An endpoint that is not AWS's own (an emulator's) has no host name for each bucket.
const s3 = new S3Client({ forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined });
const outputs = await outputsOf(process.env.CLUSTSEG_STACK ?? "clustseg-dev");
const [pipeline] = JSON.parse(outputs.Pipelines);
const uploads = place(outputs.UploadsUri);
const results = place(outputs.ResultsUri);

// A name of its own for each call, so that a result of an earlier one is not taken for this one's.
const key = `example/${Date.now().toString(36)}-${basename(image)}`;
const body = await readFile(image);
await s3.send(new PutObjectCommand({ Bucket: uploads.bucket, Key: uploads.prefix + key, Body: body }));
console.log(`uploaded ${outputs.UploadsUri}${key}`);

// metadata.json is written last: when it is there, all of the result is.
const folder = `${results.prefix}${pipeline.name}/${key}`;
const metadata = JSON.parse((await waitFor(`${folder}/metadata.json`, 15 * 60)).toString());
const mask = await get(`${folder}/segments.png`);
console.log(`${metadata.segments} segments, by ${metadata.model.name}@${metadata.model.version}`);

await writeFile(picture, await drawBorders(body, mask));
console.log(`drawn into ${picture}`);

async function outputsOf(stack) {
  const { Stacks } = await new CloudFormationClient({}).send(new DescribeStacksCommand({ StackName: stack }));
  return Object.fromEntries((Stacks?.[0]?.Outputs ?? []).map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]));
}

function place(uri) {
  const [, bucket, prefix] = /^s3:\/\/([^/]+)\/(.*)$/.exec(uri);
  return { bucket, prefix };
}

async function get(key) {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: results.bucket, Key: key }));
  return Buffer.from(await Body.transformToByteArray());
}

async function waitFor(key, seconds) {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    try {
      const found = await get(key);
      // For a moment its place can be held by whoever writes the result.
      if (JSON.parse(found.toString()).schema === "clustseg.result/1") return found;
    } catch (error) {
      if (!(error instanceof NoSuchKey)) throw error;
    }
    if (Date.now() > until)
      throw new Error(`no result after ${seconds} s: \`clustseg status\` and \`clustseg logs RUN\` tell why`);
    await sleep(500);
  }
}

/** The image with the borders of its segments in yellow. segments.png is grey: a pixel's value is its segment's id. */
async function drawBorders(image, mask) {
  const { data, info } = await sharp(image)
    .autoOrient()
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const ids = await sharp(mask).toColourspace("grey16").raw({ depth: "ushort" }).toBuffer();
  const id = (x, y) => ids.readUInt16LE((y * info.width + x) * 2);
  for (let y = 0; y < info.height - 1; y++) {
    for (let x = 0; x < info.width - 1; x++) {
      if (id(x, y) !== id(x + 1, y) || id(x, y) !== id(x, y + 1)) data.set([255, 220, 0], (y * info.width + x) * 3);
    }
  }
  return sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } })
    .png()
    .toBuffer();
}
