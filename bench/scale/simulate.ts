import { Earliest } from "./earliest.js";
import { factor, nextEvent, seededRandom } from "./random.js";

/** A run over shards, in seconds. Nothing in it knows of AWS's prices. */
export interface Scenario {
  readonly images: number;
  readonly shardImages: number;
  /** Machines at most; each works on one shard at a time. */
  readonly machines: number;
  /** Of one machine, while it works. */
  readonly secondsPerImage: number;
  /** From submit until the first shard is handed out. */
  readonly planSeconds: number;
  readonly summarizeSeconds: number;
  /** From the order of a machine until it takes jobs. It is paid for. */
  readonly machineStartSeconds: number;
  /** Between a submitted job and a machine that is ready for it, where one is free. The machine waits meanwhile. */
  readonly scheduleSeconds: number;
  /** From a job's start to its first image: container, model. */
  readonly jobStartSeconds: number;
  readonly publishSecondsPerImage: number;
  /** How long Batch keeps a machine that has nothing to do. It is paid for. */
  readonly idleSeconds: number;
  /** Shards in work at once: Map's MaxConcurrency. */
  readonly mapConcurrency: number;
  readonly submitsPerSecond: number;
  /** All machines together are no faster, whatever their number: S3's request rates. Batch keeps none that has no work. */
  readonly imagesPerSecondAtMost: number;
  /** Log-normal spread of machines' starting times, and of shards' work. */
  readonly machineStartSpread: number;
  readonly shardSpread: number;
  /** 0: machines that nobody takes back. */
  readonly interruptionsPerHour: number;
  /** From an interruption until a machine in its place is ordered. */
  readonly spotWaitSeconds: number;
  /** Work that an interruption takes with it: what was not yet in a pack. */
  readonly lostSeconds: number;
  /** Tries of a job, as Batch's retry strategy has them. */
  readonly attempts: number;
  readonly seed: number;
}

export interface Simulated {
  readonly shards: number;
  /** Machines that were ever ordered, those in place of others not counted. */
  readonly machines: number;
  /** From submit to the report. */
  readonly wallSeconds: number;
  /** Paid for, of all machines together. */
  readonly machineSeconds: number;
  /** Of these, spent on images (what was lost and done again counts once). */
  readonly workSeconds: number;
  readonly interruptions: number;
  /** Shards whose job was interrupted as often as it may be. */
  readonly failedShards: number;
  /** Seconds of work of a shard, on average. */
  readonly shardSeconds: number;
}

interface Machine {
  /** Free for a job from then on. */
  readonly at: number;
  /** When its bill begins. */
  readonly since: number;
  /** When it is taken back. */
  readonly until: number;
}

/**
 * Plays a run through: shards are handed out in order, to whichever machine is free first. A shard whose machine is taken back
 * goes on with what is left of it on the next machine that is free; a new machine is ordered in the old one's place.
 *
 * The same scenario gives the same answer. Shards are settled one after the other, so a shard that was interrupted is handed
 * out again before those behind it, even those that a machine could have begun meanwhile.
 */
export function simulate(scenario: Scenario): Simulated {
  const { images, shardImages, planSeconds, submitsPerSecond, attempts, interruptionsPerHour } = scenario;
  const random = seededRandom(scenario.seed);
  const shards = Math.ceil(images / shardImages);
  const { secondsPerImage } = scenario;
  const fed = Math.floor(scenario.imagesPerSecondAtMost * secondsPerImage);
  const count = Math.max(1, Math.min(scenario.machines, shards, scenario.mapConcurrency, fed));

  const machines = new Earliest<Machine>();
  const order = (at: number): Machine => {
    const started = at + scenario.machineStartSeconds * factor(random, scenario.machineStartSpread);
    return { at: started, since: at, until: at + nextEvent(random, interruptionsPerHour) };
  };
  for (let i = 0; i < count; i++) machines.add(order(planSeconds));
  const places = new Earliest<{ readonly at: number }>();
  for (let i = 0; i < Math.min(shards, scenario.mapConcurrency); i++) places.add({ at: planSeconds });

  let billed = 0;
  let worked = 0;
  let interruptions = 0;
  let failedShards = 0;
  let end = planSeconds;
  let lastSubmit = planSeconds;

  /** The first machine to be free that is still there when the job comes; those taken back before that are replaced. */
  const machineFor = (ready: number): Machine => {
    for (;;) {
      const machine = machines.take();
      if (Math.max(machine.at, ready) < machine.until) return machine;
      interruptions++;
      billed += machine.until - machine.since;
      machines.add(order(machine.until + scenario.spotWaitSeconds));
    }
  };

  for (let shard = 0; shard < shards; shard++) {
    const inShard = Math.min(shardImages, images - shard * shardImages);
    let left = inShard * secondsPerImage * factor(random, scenario.shardSpread);
    worked += left;
    lastSubmit = Math.max(places.take().at, lastSubmit + 1 / submitsPerSecond);
    let ready = lastSubmit;
    for (let attempt = 1; ; attempt++) {
      const machine = machineFor(ready);
      const begin = Math.max(machine.at, ready) + scenario.scheduleSeconds;
      const finish = begin + scenario.jobStartSeconds + left;
      if (finish <= machine.until) {
        machines.add({ ...machine, at: finish });
        ready = finish;
        break;
      }
      interruptions++;
      billed += machine.until - machine.since;
      machines.add(order(machine.until + scenario.spotWaitSeconds));
      const done = Math.max(0, machine.until - begin - scenario.jobStartSeconds - scenario.lostSeconds);
      left -= Math.min(left, done);
      ready = machine.until;
      if (attempt === attempts) {
        failedShards++;
        break;
      }
    }
    const published = ready + inShard * scenario.publishSecondsPerImage;
    places.add({ at: published });
    end = Math.max(end, published);
  }
  while (machines.size > 0) {
    const machine = machines.take();
    // Ordered for a job that another machine took: Batch gives it back as one that is idle.
    billed += Math.min(machine.until, Math.max(machine.at, machine.since) + scenario.idleSeconds) - machine.since;
  }
  return {
    shards,
    machines: count,
    wallSeconds: end + scenario.summarizeSeconds,
    machineSeconds: billed,
    workSeconds: worked,
    interruptions,
    failedShards,
    shardSeconds: worked / shards,
  };
}
