import { rounded, table } from "./figures.js";
import { peakRssMib, rssMib } from "./memory.js";

const parts = 40;

/** Resident memory of a run, MiB. */
export interface RssOverTime {
  /** The largest while each of equal parts of the images came to their end. */
  readonly maxima: number[];
  readonly peak: number;
}

/** Watches this process while it works on so many images: call `ended` for each that has ended, and `stop` at the end. */
export function watchRss(images: number, everyMs: number): { ended(): void; stop(): RssOverTime } {
  const maxima = new Array<number>(parts).fill(0);
  let done = 0;
  const sample = (): void => {
    const part = Math.min(parts - 1, Math.floor((done * parts) / images));
    maxima[part] = Math.max(maxima[part]!, rssMib());
  };
  const timer = setInterval(sample, everyMs);
  return {
    ended() {
      sample();
      done++;
    },
    stop() {
      clearInterval(timer);
      return { maxima, peak: peakRssMib() };
    },
  };
}

/** Prints the quarters of a run and how they compare, below `head`; returns what is recorded of them. */
export function reportRss(head: string, { maxima, peak }: RssOverTime) {
  const quarters = [0, 1, 2, 3].map((quarter) =>
    Math.max(...maxima.slice((quarter * parts) / 4, ((quarter + 1) * parts) / 4)),
  );
  const ratio = rounded(quarters[3]! / quarters[1]!, 3);
  console.log(`${head}; largest RSS in each quarter, MiB\n`);
  console.log(table(["first", "second", "third", "last", "peak"], [[...quarters.map((mib) => rounded(mib, 0)), peak]]));
  console.log(`\nlast quarter / second quarter: ${ratio} (bar: <= 1.1)`);
  return {
    last_to_second_quarter: ratio,
    quarters_mib: quarters.map((mib) => rounded(mib, 1)),
    peak_mib: peak,
    maxima_mib: maxima.map((mib) => rounded(mib, 1)),
  };
}
