import { Fn, Stack } from "aws-cdk-lib";
import {
  type GatewayVpcEndpoint,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpointAwsService,
  IpAddresses,
  type ISubnet,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  Subnet,
  SubnetType,
  Vpc,
} from "aws-cdk-lib/aws-ec2";
import { AnyPrincipal } from "aws-cdk-lib/aws-iam";
import { NagSuppressions } from "cdk-nag";
import { Construct } from "constructs";
import type { Buckets } from "./buckets.js";
import type { NetworkConfig } from "./config.js";
import { allow } from "./grants.js";

/** What the container's machines need to pull their image, report to ECS and write logs, where they have no way out. */
const interfaceEndpoints = {
  EcrApi: InterfaceVpcEndpointAwsService.ECR,
  EcrDocker: InterfaceVpcEndpointAwsService.ECR_DOCKER,
  Ecs: InterfaceVpcEndpointAwsService.ECS,
  EcsAgent: InterfaceVpcEndpointAwsService.ECS_AGENT,
  EcsTelemetry: InterfaceVpcEndpointAwsService.ECS_TELEMETRY,
  Logs: InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
};

/** Where the container runs: nobody can reach it, and it reaches AWS by HTTPS without a NAT gateway. */
export class Network extends Construct {
  readonly vpc: IVpc;
  readonly subnets: ISubnet[];
  readonly securityGroup: SecurityGroup;
  /** Do machines have a public address (and no way in)? */
  readonly publicIp: boolean;

  constructor(scope: Construct, id: string, props: { readonly config: NetworkConfig; readonly buckets: Buckets }) {
    super(scope, id);
    const { config, buckets } = props;
    const { vpcId, subnetIds } = config;
    this.publicIp = vpcId === undefined && config.access === "public-ip";
    if (vpcId === undefined) {
      const made = this.#makeVpc(config, buckets);
      // `as`: the CDK's own classes do not fit its interfaces under exactOptionalPropertyTypes.
      this.vpc = made as IVpc;
      this.subnets = this.publicIp ? made.publicSubnets : made.isolatedSubnets;
    } else {
      // By ids alone: a lookup would need credentials at synth and leave the account's numbers in cdk.context.json.
      this.vpc = Vpc.fromVpcAttributes(this, "Vpc", { vpcId, availabilityZones: ["named-by-the-subnets"] });
      this.subnets = subnetIds.map((subnetId) => Subnet.fromSubnetId(this, subnetId, subnetId));
    }
    this.securityGroup = new SecurityGroup(this, "Container", {
      vpc: this.vpc,
      description: "The segment container: nothing comes in, HTTPS goes out",
      allowAllOutbound: false,
    });
    this.securityGroup.addEgressRule(Peer.anyIpv4(), Port.tcp(443), "S3, ECR, ECS and CloudWatch Logs");
  }

  #makeVpc({ access, zones, cidr }: NetworkConfig, buckets: Buckets): Vpc {
    const isPublic = access === "public-ip";
    const vpc = new Vpc(this, "Vpc", {
      ipAddresses: IpAddresses.cidr(cidr),
      // Chosen when it is deployed, so that one template goes anywhere and no lookup is needed.
      availabilityZones: Array.from({ length: zones }, (_, zone) => Fn.select(zone, Fn.getAzs())),
      natGateways: 0,
      // Emptying it would take a custom resource; nothing uses it.
      restrictDefaultSecurityGroup: false,
      subnetConfiguration: [
        isPublic
          ? { name: "public", subnetType: SubnetType.PUBLIC, mapPublicIpOnLaunch: true, cidrMask: 20 }
          : { name: "isolated", subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 20 },
      ],
    });
    NagSuppressions.addResourceSuppressions(vpc, [
      {
        id: "AwsSolutions-VPC7",
        reason:
          "Flow logs cost by the gigabyte and would tell of HTTPS to AWS only: nothing can come in, and S3 is limited by the endpoint's policy.",
      },
    ]);
    this.#s3Endpoint(vpc, buckets);
    if (!isPublic) this.#interfaceEndpoints(vpc, cidr);
    return vpc;
  }

  /** Free, and a wall: a container that was taken over cannot send images to anybody's bucket but these. */
  #s3Endpoint(vpc: Vpc, buckets: Buckets): void {
    const endpoint: GatewayVpcEndpoint = vpc.addGatewayEndpoint("S3", { service: GatewayVpcEndpointAwsService.S3 });
    const { uploads, staging } = buckets;
    const { partition, region } = Stack.of(this);
    const statements = [
      allow(["s3:ListBucket"], [uploads.bucket.bucketArn, staging.bucket.bucketArn]),
      allow(["s3:GetObject", "s3:GetObjectVersion"], [uploads.bucket.arnForObjects("*")]),
      allow(
        ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
        [staging.bucket.arnForObjects("*")],
      ),
      // Where ECR keeps the layers of images.
      allow(["s3:GetObject"], [`arn:${partition}:s3:::prod-${region}-starport-layer-bucket/*`]),
    ];
    for (const statement of statements) {
      statement.addPrincipals(new AnyPrincipal());
      endpoint.addToPolicy(statement);
    }
  }

  #interfaceEndpoints(vpc: Vpc, cidr: string): void {
    const securityGroup = new SecurityGroup(this, "Endpoints", {
      vpc: vpc as IVpc,
      description: "Interface endpoints: HTTPS from inside the VPC",
      allowAllOutbound: false,
    });
    securityGroup.addIngressRule(Peer.ipv4(cidr), Port.tcp(443), "The segment container");
    for (const [name, service] of Object.entries(interfaceEndpoints)) {
      vpc.addInterfaceEndpoint(name, { service, securityGroups: [securityGroup], open: false });
    }
  }
}
