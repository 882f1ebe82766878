#!/usr/bin/env node
// Answers the calls of `docker` that the CDK makes for an image asset (build, tag, inspect, login, push) with what can build
// images on this machine: CDK_DOCKER points to it. Nothing is pushed: the image stays in the local store, under the name that
// the job definition gives it, and image-runner.ts starts it from there. Test support.
//
//   CLUSTSEG_BATCH=process  all calls succeed and nothing is built
import { buildOptions, findBuilder, run } from "../../../scripts/image-builder.mjs";

const [command = "", ...words] = process.argv.slice(2);
// Of no meaning where images of one platform are built once.
const dropped = new Set(["--platform", "--progress", "--provenance", "--cache-from", "--cache-to", "--output"]);

if (process.env.CLUSTSEG_BATCH !== "process" && command !== "login" && command !== "push") {
  try {
    answer(findBuilder());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}

function answer(builder) {
  if (command === "inspect") {
    console.log(run(builder, builder === "buildah" ? ["inspect", "--type", "image", ...words] : ["inspect", ...words]));
  } else if (command === "tag") {
    run(builder, ["tag", ...words]);
  } else if (command === "build") {
    const given = words.filter((word, index) => !dropped.has(word) && !dropped.has(words[index - 1] ?? ""));
    run(builder, ["build", ...buildOptions(builder), ...given], { quiet: false });
  } else {
    throw new Error(`docker-shim.mjs: the CDK was not expected to call docker ${command}`);
  }
}
