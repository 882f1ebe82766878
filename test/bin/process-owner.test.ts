import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import { processOwner } from "../../bin/jobs/process-owner.js";

describe("this process as the owner of a run", () => {
  const { name, hasEnded } = processOwner();
  const withPid = (pid: number, start: string) => name.replace(/^pid \d+/, `pid ${pid}`).replace(/\w+\)$/, `${start})`);

  it("is told to people by its id and machine, and has not ended", () => {
    expect(name).toContain(`pid ${process.pid} of ${hostname()}`);
    expect(processOwner().name).toBe(name);
    expect(hasEnded(name)).toBe(false);
  });

  it("knows that a process of this machine has ended, also when its id has come back to us", () => {
    const { pid } = spawnSync(process.execPath, ["-e", ""]);

    expect(hasEnded(withPid(pid, "aaaa"))).toBe(true);
    expect(hasEnded(withPid(process.pid, "aaaa"))).toBe(true);
  });

  it.runIf(process.platform === "linux")("knows that one has ended that its parent has not yet asked for", async () => {
    // The child ends when the shell has become a program that never waits for it; an earlier end the shell itself may see.
    const parent = spawn("sh", ["-c", "sleep 0.3 & echo $!; exec sleep 30"]);
    try {
      const [line] = await once(parent.stdout, "data");
      const pid = Number(String(line));
      while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) await new Promise(setImmediate);

      expect(process.kill(pid, 0)).toBe(true);
      expect(hasEnded(withPid(pid, "aaaa"))).toBe(true);
      expect(hasEnded(withPid(parent.pid!, "aaaa"))).toBe(false);
    } finally {
      parent.kill("SIGKILL");
    }
  });

  it("knows that one still runs", () => {
    expect(hasEnded(withPid(process.ppid, "aaaa"))).toBe(false);
  });

  it.each([name.replace(hostname(), "elsewhere"), name.replace(/\(\d*-/, "(1-"), "somebody", ""])(
    "does not judge others: %s",
    (other) => {
      expect(hasEnded(other)).toBe(false);
    },
  );
});
