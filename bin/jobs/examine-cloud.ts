import { loadManifest } from "../../layers/model/bundle.js";
import { shippedBundles } from "../../layers/model/find-bundle.js";
import { type Pipeline, pipelinesSchema } from "../../layers/pipeline/cloud-contracts.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { asClustsegError } from "../../layers/segments/errors.js";
import { failureWords } from "../cloud/failure-words.js";
import { awsServices, type Cloud, type CloudServices, cloudOf, readCloudSettings } from "../cloud/open-cloud.js";
import type { Quota } from "../cloud/ports.js";
import { findRun, recentRuns, viewRun } from "../cloud/runs.js";
import type { CloudOptions, CloudSettings } from "../cloud/settings.js";
import { openStack, type Stack, stackOf } from "../cloud/stack.js";
import { count, type Io, plural } from "../terminal/io.js";
import type { Finding } from "./examine.js";
import { smokeTest } from "./smoke-test.js";

export interface ExamineCloudOptions extends CloudOptions {
  readonly smoke?: true;
  readonly json?: true;
}

/** Runs that are searched for the last failure. */
const recent = 20;

/** What `clustseg doctor --cloud` finds. */
export async function examineCloud(io: Io, options: ExamineCloudOptions): Promise<Finding[]> {
  const settings = await readCloudSettings(options, io.cwd);
  return examineStack(io, settings, awsServices(io.cwd), options);
}

/** The same against given services. Each finding stands for itself: one that fails does not hide the next. */
export async function examineStack(
  io: Io,
  settings: CloudSettings,
  services: CloudServices,
  options: Pick<ExamineCloudOptions, "smoke" | "json">,
): Promise<Finding[]> {
  const findings = [await or("identity", examineIdentity(services))];
  const [stackFinding, stack] = await examineStackItself(settings, services);
  findings.push(stackFinding);
  if (stack === undefined) return findings;
  const cloud = await cloudOf(stack, services);
  findings.push(
    await or("uploads", examineStore("uploads", cloud.uploads)),
    await or("staging", examineStore("staging", cloud.staging)),
    await or(
      "results",
      services.store(stack.results).then((store) => examineStore("results", store)),
    ),
    ...(await Promise.all(stack.pipelines.map((one) => or(`pipeline ${one.name}`, examinePipeline(one))))),
    await or("container", examineContainer(cloud)),
    await or("machines", examineMachines(cloud)),
    ...(stack.computeKind === "gpu" ? await examineQuotas(services) : []),
    await or("dead letters", examineDeadLetters(cloud)),
    await or("last failure", examineLastFailure(cloud)),
  );
  if (options.smoke) {
    const say = options.json ? () => {} : io.note;
    findings.push(...(await smokeTest(cloud, say).catch((error: unknown) => [broken("smoke test", error)])));
  }
  return findings;
}

async function examineIdentity(services: CloudServices): Promise<Finding> {
  const { account, arn } = await (await services.account()).identity();
  return { state: "ok", what: "identity", text: `${arn}, account ${account}` };
}

async function examineStackItself(
  settings: CloudSettings,
  services: CloudServices,
): Promise<readonly [Finding, Stack | undefined]> {
  const what = `stack ${settings.stack}`;
  try {
    const stacks = await services.stacks();
    const found = await stacks.find(settings.stack);
    // For the sentence that tells which there are.
    if (found === undefined)
      return [broken(what, await openStack(stacks, settings).catch((error) => error)), undefined];
    const reason = found.reason === undefined ? "" : `: ${found.reason}`;
    if (/FAILED|ROLLBACK/.test(found.status)) {
      const failure = await stacks.firstFailure(settings.stack).catch(() => undefined);
      const why =
        failure === undefined ? reason : `: ${failure.resource}: ${failureWords(undefined, failure.reason).text}`;
      const works = found.status === "UPDATE_ROLLBACK_COMPLETE";
      const hint = works
        ? "The version before is at work. Mend the cause and deploy again."
        : "Mend the cause, then deploy again (a stack in ROLLBACK_COMPLETE has to be destroyed first).";
      const finding: Finding = { state: works ? "absent" : "bad", what, text: `${found.status}${why}`, hint };
      return [finding, works ? stackOf(found) : undefined];
    }
    const stack = stackOf(found);
    return [
      { state: "ok", what, text: `${found.status} (named by ${settings.from}), compute: ${stack.computeKind}` },
      stack,
    ];
  } catch (error) {
    return [broken(what, error), undefined];
  }
}

async function examineStore(what: string, store: ObjectStore): Promise<Finding> {
  for await (const _ of store.list("")) break;
  return { state: "ok", what, text: `${store.uri} can be listed` };
}

/** Are the models of the stack those that ship with this command? */
async function examinePipeline({ name, model, task, parameters, formats }: Pipeline): Promise<Finding> {
  const what = `pipeline ${name}`;
  const settings = Object.entries(parameters).map(([key, value]) => `${key} ${value}`);
  const about = [`${model.name} ${model.version}`, task, ...settings, ...formats].join(", ");
  const folder = (await shippedBundles()).get(model.name);
  const here = folder === undefined ? undefined : await loadManifest(folder).catch(() => undefined);
  if (here === undefined) return { state: "ok", what, text: `${about}; its bundle is not here to compare with` };
  if (here.graph.sha256 === model.sha256) return { state: "ok", what, text: `${about}; the bundle that is here` };
  return {
    state: "absent",
    what,
    text: `${about}; the bundle that is here is another (${here.version})`,
    hint: "`npx cdk deploy` brings the one that is here into the cloud; results are then made anew.",
  };
}

/** Is the container of the same deployment as the rest, with the same models in it? */
async function examineContainer({ stack, services }: Cloud): Promise<Finding> {
  const what = "container";
  const jobs = await services.jobs(stack);
  if (jobs === undefined || stack.jobDefinition === undefined) {
    return { state: "absent", what, text: "the stack does not tell of one" };
  }
  const found = await jobs.container(stack.jobDefinition);
  if (found === undefined) {
    const hint = "Deploy the stack again.";
    return { state: "bad", what, text: `the job definition ${stack.jobDefinition} is not there`, hint };
  }
  const tag = found.image.slice(found.image.lastIndexOf("/") + 1);
  const its = pipelinesIn(found.environment.get("CLUSTSEG_PIPELINES"));
  const models = (pipelines: readonly Pipeline[]) => pipelines.map((one) => `${one.name} ${one.model.sha256}`).join();
  if (its !== undefined && models(its) !== models(stack.pipelines)) {
    const text = `${tag} (revision ${found.revision}) has other models than the stack's pipelines`;
    return { state: "bad", what, text, hint: "A deployment was cut short: deploy again." };
  }
  return { state: "ok", what, text: `${tag}, revision ${found.revision}, with the models of the pipelines` };
}

function pipelinesIn(text: string | undefined): readonly Pipeline[] | undefined {
  try {
    return pipelinesSchema.parse(JSON.parse(text ?? ""));
  } catch {
    return undefined;
  }
}

async function examineMachines({ stack, services }: Cloud): Promise<Finding> {
  const what = "machines";
  const jobs = await services.jobs(stack);
  if (jobs === undefined) return { state: "absent", what, text: "the stack has no job queue" };
  const { problems, waiting, starting, running } = await jobs.queue();
  const busy = `${count(running)} jobs running, ${count(starting)} starting, ${count(waiting)} waiting`;
  if (problems.length === 0) return { state: "ok", what, text: `${stack.computeKind}, ${busy}` };
  const [first] = problems;
  const { hint } = failureWords(undefined, first);
  return { state: "bad", what, text: `${problems.join("; ")}; ${busy}`, hint };
}

/** vCPUs of G machines; a g4dn.xlarge has four. */
const quotas = { "On-Demand": "L-DB2E81BA", Spot: "L-3819A6DF" } as const;
const vcpusOfSmallest = 4;

async function examineQuotas(services: CloudServices): Promise<Finding[]> {
  const account = await services.account();
  const found = await Promise.all(
    Object.entries(quotas).map(async ([kind, code]) => {
      const what = `quota G ${kind}`;
      const quota = await account.quota("ec2", code).then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      return { what, kind, code, ...quota };
    }),
  );
  const enough = (quota: Quota | undefined) => (quota?.value ?? 0) >= vcpusOfSmallest;
  const any = found.some((one) => "value" in one && enough(one.value));
  return found.map((one): Finding => {
    if ("error" in one) return { ...broken(one.what, one.error), state: "absent" };
    const { what, kind, code, value: quota } = one;
    const vcpus = quota?.value ?? 0;
    if (enough(quota)) {
      return {
        state: "ok",
        what,
        text: `${count(vcpus)} vCPUs: ${plural(Math.floor(vcpus / vcpusOfSmallest), "machine")} of 4 vCPUs at once`,
      };
    }
    const hint = `Ask for 8 or more: aws service-quotas request-service-quota-increase --service-code ec2 --quota-code ${code} --desired-value 8; or deploy with compute on CPUs (docs/deploy.md).`;
    const without = any ? "" : ", and none of the other kind: jobs will wait for ever";
    return {
      state: any ? "absent" : "bad",
      what,
      text: `${count(vcpus)} vCPUs: no ${kind} machine can start${without}`,
      hint,
    };
  });
}

async function examineDeadLetters({ stack, services }: Cloud): Promise<Finding> {
  const what = "dead letters";
  if (stack.deadLetters === undefined) return { state: "absent", what, text: "the stack does not tell of a queue" };
  const { waiting, inFlight } = await (await services.queues()).depth(stack.deadLetters);
  const messages = waiting + inFlight;
  if (messages === 0) return { state: "ok", what, text: "none: every upload event was handled" };
  return {
    state: "bad",
    what,
    text: `${plural(messages, "message")} of uploads that intake could not take in`,
    hint: "`clustseg redrive --messages` gives them back to intake, once what is wrong is mended.",
  };
}

/** Bad only when nothing has gone well since. */
async function examineLastFailure(cloud: Cloud): Promise<Finding> {
  const what = "last failure";
  let since = 0;
  for await (const { runId, last } of recentRuns(cloud, recent)) {
    if (last.status !== "running" && last.status !== "succeeded" && last.status !== "aborted") {
      const view = await viewRun(cloud, await findRun(cloud, runId));
      const { text, hint } = view.error ?? failureWords(undefined, undefined);
      const after = since === 0 ? "" : `; ${plural(since, "run")} since then ended well`;
      const state = since === 0 ? "bad" : "absent";
      return { state, what, text: `${runId}, ${view.started_at.slice(0, 16)}: ${text}${after}`, hint };
    }
    if (last.status === "succeeded") since++;
  }
  return { state: "ok", what, text: since === 0 ? "no run yet" : `none among the last ${plural(since, "run")}` };
}

async function or(what: string, finding: Promise<Finding>): Promise<Finding> {
  return finding.catch((error: unknown) => broken(what, error));
}

function broken(what: string, error: unknown): Finding {
  const { message, hint } = asClustsegError(error);
  return { state: "bad", what, text: message.replace(/\.$/, ""), hint };
}
