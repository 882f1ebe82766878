import { GetServiceQuotaCommand, ServiceQuotasClient } from "@aws-sdk/client-service-quotas";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { nameOf, told } from "./cloud-errors.js";
import type { Account, Quota } from "./ports.js";

/** STS and Service Quotas. */
export class AwsAccount implements Account {
  async identity(): Promise<{ account: string; arn: string }> {
    const client = new STSClient({});
    const { Account: account = "", Arn: arn = "" } = await told(
      "asking who you are",
      client.send(new GetCallerIdentityCommand({})),
    );
    return { account, arn };
  }

  async quota(service: string, code: string): Promise<Quota | undefined> {
    const client = new ServiceQuotasClient({});
    const found = await told(
      "reading the account's quotas",
      client.send(new GetServiceQuotaCommand({ ServiceCode: service, QuotaCode: code })).catch((error: unknown) => {
        if (/^NoSuchResource/.test(nameOf(error))) return undefined;
        throw error;
      }),
    );
    const { Value, QuotaName } = found?.Quota ?? {};
    return Value === undefined ? undefined : { value: Value, name: QuotaName ?? code };
  }
}
