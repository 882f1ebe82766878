import type { Size } from "aws-cdk-lib";
import { BlockDeviceVolume, EbsDeviceVolumeType, LaunchTemplate, LaunchTemplateHttpTokens } from "aws-cdk-lib/aws-ec2";
import { type Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { NagSuppressions } from "cdk-nag";
import type { Construct } from "constructs";
import { allow, arnOf, bareRole } from "./grants.js";

/**
 * What an EC2 machine of the compute environment may do itself. A Batch job shares its machine's network, so a container that
 * was taken over can ask for this role: it is therefore what the ECS agent calls, on Batch's clusters of this account and region,
 * in place of AmazonEC2ContainerServiceforEC2Role, which also reads every image and writes every log of the account. On every
 * cluster it could join that of another application as a machine, and would be sent tasks there with their credentials.
 */
export function machineRole(scope: Construct): Role {
  const role = bareRole(
    scope,
    "Machine",
    new ServicePrincipal("ec2.amazonaws.com"),
    "clustseg: the ECS agent of a machine",
  );
  // Batch calls them AWSBatch-<compute environment>-<uuid>, and its own service-linked role goes by that name, too.
  const cluster = arnOf(scope, "ecs", "cluster", "AWSBatch-*");
  const machine = arnOf(scope, "ecs", "container-instance", "AWSBatch-*/*");
  const statements = [
    // ECS has no resource for this one.
    allow(["ecs:DiscoverPollEndpoint"], ["*"]),
    allow(
      [
        "ecs:DeregisterContainerInstance",
        "ecs:RegisterContainerInstance",
        "ecs:SubmitAttachmentStateChanges",
        "ecs:SubmitContainerStateChange",
        "ecs:SubmitTaskStateChange",
      ],
      [cluster],
    ),
    allow(
      ["ecs:Poll", "ecs:StartTelemetrySession", "ecs:UpdateContainerInstancesState", "ecs:PutSystemLogEvents"],
      [machine],
    ),
    allow(["ecs:TagResource"], [cluster, machine], {
      StringEquals: { "ecs:CreateAction": ["CreateCluster", "RegisterContainerInstance"] },
    }),
  ];
  for (const statement of statements) role.addToPolicy(statement);
  NagSuppressions.addResourceSuppressions(
    role,
    [
      {
        id: "AwsSolutions-IAM5",
        reason:
          "Batch makes the cluster and its machines and names them itself; ecs:DiscoverPollEndpoint has no resource.",
      },
    ],
    true,
  );
  return role;
}

/** An encrypted disk that holds the image, and instance metadata by session tokens only, for the machine itself. */
export function machineTemplate(scope: Construct, disk: Size): LaunchTemplate {
  return new LaunchTemplate(scope, "Template", {
    httpTokens: LaunchTemplateHttpTokens.REQUIRED,
    httpPutResponseHopLimit: 1,
    blockDevices: [
      {
        deviceName: "/dev/xvda",
        volume: BlockDeviceVolume.ebs(disk.toGibibytes(), {
          encrypted: true,
          volumeType: EbsDeviceVolumeType.GP3,
          deleteOnTermination: true,
        }),
      },
    ],
  });
}
