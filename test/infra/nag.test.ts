import { Aspects } from "aws-cdk-lib";
import { Annotations, Match } from "aws-cdk-lib/assertions";
import { AwsSolutionsChecks } from "cdk-nag";
import { describe, expect, test } from "vitest";
import { makeStack, type Template } from "./support/synth.js";

interface Suppression {
  readonly id: string;
  readonly reason: string;
}

describe("cdk-nag, AWS Solutions", () => {
  test.each<[string, object]>([
    ["GPU", {}],
    ["Fargate", { compute: { kind: "fargate" } }],
    [
      "CPU machines, own key, interface endpoints",
      {
        compute: { kind: "cpu" },
        network: { access: "endpoints" },
        buckets: { kmsKeyArn: "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f" },
        monitoring: { email: "you@example.com" },
      },
    ],
    [
      "what exists, no quick path",
      {
        quick: "off",
        buckets: { uploads: { name: "photos" }, results: { name: "masks" }, staging: { name: "work" } },
        network: { vpcId: "vpc-0a1b2c3d", subnetIds: ["subnet-0a0a0a0a"] },
      },
    ],
  ])(
    "is content: %s",
    async (_, given) => {
      const { app, stack } = await makeStack(given);
      Aspects.of(app).add(new AwsSolutionsChecks({ verbose: true }));
      const any = Match.stringLikeRegexp("AwsSolutions-.*");

      const annotations = Annotations.fromStack(stack);
      const found = [...annotations.findError("*", any), ...annotations.findWarning("*", any)];

      expect(found.map(({ id, entry }) => `${id}: ${entry.data}`)).toEqual([]);
    },
    120_000,
  );

  test("would say something of a stack that is not in order", async () => {
    const { app, stack } = await makeStack();
    const { Bucket } = await import("aws-cdk-lib/aws-s3");
    new Bucket(stack, "Open");
    Aspects.of(app).add(new AwsSolutionsChecks());

    const found = Annotations.fromStack(stack).findError("*", Match.stringLikeRegexp("AwsSolutions-.*"));

    expect(found.length).toBeGreaterThan(0);
  }, 120_000);

  test("is told a reason for each thing that it may not say", async () => {
    const { app, stack } = await makeStack();
    const template = app.synth().getStackByName(stack.stackName).template as Template;
    const suppressions = Object.values(template.Resources).flatMap(({ Metadata }) => {
      const nag = Metadata?.["cdk_nag"] as { rules_to_suppress?: Suppression[] } | undefined;
      return nag?.rules_to_suppress ?? [];
    });

    expect(new Set(suppressions.map(({ id }) => id))).toEqual(
      new Set(["AwsSolutions-S1", "AwsSolutions-IAM5", "AwsSolutions-L1", "AwsSolutions-VPC7", "AwsSolutions-SNS2"]),
    );
    for (const { reason } of suppressions) expect(reason.length).toBeGreaterThan(30);
  }, 120_000);
});
