import { InvalidArgumentError } from "commander";
import { describe, expect, it } from "vitest";
import { extraFormats, failureBudget, seconds, wholeNumber } from "../../bin/commands/options.js";
import { exitCodeOf } from "../../bin/terminal/exit.js";
import { byteSize, duration, type Io, jsonLine, printable } from "../../bin/terminal/io.js";
import { Pace, progressText } from "../../bin/terminal/progress.js";
import { FirstImages, foundText, Notes, summaryLine } from "../../bin/terminal/summary.js";
import { table } from "../../bin/terminal/table.js";
import type { ItemOutcome, RunReport } from "../../layers/pipeline/contracts.js";
import { ClustsegError } from "../../layers/segments/errors.js";

describe("what is printed", () => {
  it("has no control characters, and none that reorder the line, from names", () => {
    expect(printable("a\nb\u001b[2Jc\u009b1md\u202egpj.exe")).toBe("a\\nb\\u001b[2Jc\\u009b1md\\u202egpj.exe");
    expect(printable("grüße 猫 👩‍🚀")).toBe("grüße 猫 👩‍🚀");
  });

  it("is JSON also when it was made printable", () => {
    const value = { key: 'a"\n\u001b\u009b\u202e\\' };

    const line = jsonLine(value);

    expect(printable(line)).toBe(line);
    expect(JSON.parse(line)).toEqual(value);
  });

  it("gives sizes and times as people read them", () => {
    expect([0, 1023, 1024, 5.5 * 1024 ** 2, 300 * 1024 ** 3].map(byteSize)).toEqual([
      "0 bytes",
      "1023 bytes",
      "1.0 KiB",
      "5.5 MiB",
      "300 GiB",
    ]);
    expect([0.44, 12.3, 59.6, 185, 7810].map(duration)).toEqual([
      "0.4 s",
      "12 s",
      "1 min 0 s",
      "3 min 5 s",
      "2 h 10 min",
    ]);
  });

  it("is a table in columns, long names cut in their middle", () => {
    const text = table(
      ["image", "n"],
      [
        ["猫.jpg", "1"],
        [`${"x".repeat(90)}.jpg`, "22"],
      ],
      [1],
    );

    const [, cat, long] = text.split("\n");
    expect(cat).toMatch(/^ 猫\.jpg +1$/);
    expect(long).toMatch(/^ x+…x+\.jpg +22$/);
    expect(long!.length).toBeLessThan(70);
  });
});

describe("progress", () => {
  const counts = { total: 2000, done: 500, segmented: 97, skipped: 400, rejected: 3 };

  it("tells rate and time left from what this call has done, not from what was there", () => {
    const pace = new Pace(400, 0);

    expect(progressText(counts, pace.text(counts, 10_000))).toBe(
      "500 of 2,000 images (25%), 10.0 a second, 2 min 30 s left, 3 rejected",
    );
  });

  it("promises nothing before the first image", () => {
    expect(new Pace(500, 0).text(counts, 10_000)).toBe("");
  });
});

describe("the summary", () => {
  const items = { total: 3, segmented: 0, skipped: 0, rejected: 3, pending: 0 };
  const report = (changes: Partial<typeof items>) =>
    ({
      items: { ...items, ...changes },
      seconds: 2,
      images_per_second: 1.5,
      task: "instance",
      model: { name: "clustseg-nuclei", version: "1.0.0", sha256: "" },
    }) as RunReport;

  it("has a rate when something was segmented, and none when all was rejected", () => {
    expect(summaryLine(report({}))).toMatch(/: 0 segmented, 3 rejected, in 2\.0 s$/);
    expect(summaryLine(report({ segmented: 1, rejected: 2 }))).toMatch(/\(1\.5 a second\)$/);
  });

  it("names task and model, so that superpixels are not taken for cells", () => {
    const what = "3 images, instance by clustseg-nuclei 1.0.0: ";

    expect(summaryLine(report({ segmented: 3, rejected: 0 }))).toBe(`${what}3 segmented, in 2.0 s (1.5 a second)`);
    expect(summaryLine(report({ skipped: 3, rejected: 0 }))).toContain(`${what}all have their masks already`);
  });

  it.each([
    ["superpixel", { segments: 299 }, "segments", "299 segments"],
    ["semantic", { segments: 1 }, "classes", "1 class"],
    ["instance", { segments: 12, objects: 12 }, "objects", "12 objects"],
    ["panoptic", { segments: 5, objects: 4 }, "objects", "4 objects"],
  ])("counts of %s what people count, the background not among the objects", (task, found, column, text) => {
    const outcome = {
      status: "segmented" as const,
      ...{ key: "a.jpg", etag: "", result_id: "", frame: { width: 4, height: 3 } },
      ...{ ms: { decode: 1, infer: 1, encode: 1 }, ...found },
    };
    const images = new FirstImages();
    images.add(outcome);

    expect(foundText(outcome, task)).toBe(text);
    expect(images.table(task)).toMatch(
      new RegExp(`^ image +size +${column} +ms\n a\\.jpg +4 x 3 +${text.split(" ")[0]} +3$`),
    );
  });

  it("tells what decoding had to say, of the first images", () => {
    const said: string[] = [];
    const notes = new Notes();
    const outcome = (key: string, notes?: string[]) =>
      ({ key, status: "segmented", ...(notes === undefined ? {} : { notes }) }) as ItemOutcome;

    notes.add(outcome("plain.jpg"));
    notes.tell({ note: (line: string) => said.push(line) } as unknown as Io);
    expect(said).toEqual([]);
    for (let i = 0; i < 7; i++) notes.add(outcome(`${i}.gif`, ["first of 3 frames", "parts may be damaged"]));
    notes.tell({ note: (line: string) => said.push(line) } as unknown as Io);

    expect(said).toHaveLength(7);
    expect(said[0]).toMatch(/^7 images have notes/);
    expect(said[1]).toBe("  0.gif: first of 3 frames; parts may be damaged");
    expect(said[6]).toBe("  … and 2 more");
  });
});

describe("options", () => {
  it.each(["0", "-1", "1.5", "1e3", "x", ""])("refuse %j as a whole number from 1", (text) => {
    expect(() => wholeNumber(1)(text)).toThrow(InvalidArgumentError);
  });

  it("read a failure budget as a number or a part", () => {
    expect(failureBudget("20")).toEqual({ maxRejected: 20 });
    expect(failureBudget("0")).toEqual({ maxRejected: 0 });
    expect(failureBudget("2.5%")).toEqual({ maxRatio: 0.025 });
    for (const text of ["-1", "1.5", "101%", "%", "many"])
      expect(() => failureBudget(text)).toThrow(InvalidArgumentError);
  });

  it("read seconds", () => {
    expect(seconds("0.3")).toBe(0.3);
    for (const text of ["0", "-1", "1e9", "x"]) expect(() => seconds(text)).toThrow(InvalidArgumentError);
  });

  it("make the same formats of the same wish", () => {
    expect(extraFormats({ formats: ["segments", "mean"], overlay: true })).toEqual(["mean", "overlay"]);
    expect(extraFormats({ formats: ["overlay", "mean", "overlay"] })).toEqual(["mean", "overlay"]);
  });
});

describe("an error", () => {
  it.each([
    ["USAGE", 2],
    ["SOURCE_EMPTY", 2],
    ["MODEL_NOT_FOUND", 2],
    ["MODEL_DAMAGED", 3],
    ["STORE_FULL", 3],
    ["RUN_CANCELLED", 3],
  ] as const)("%s ends with %i", (code, exit) => {
    expect(exitCodeOf(new ClustsegError(code, "x", { hint: "y" }))).toBe(exit);
  });

  it("that nobody foresaw ends with 3", () => {
    expect(exitCodeOf(new TypeError("x is not a function"))).toBe(3);
  });
});
