import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeFolders } from "../../layers/storage/make-folders.js";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "clustseg-folders-"));
});
afterEach(() => rmSync(root, { recursive: true }));

it("makes a folder and those above it, and is content when they are there", () => {
  makeFolders(join(root, "a", "b", "c"));
  makeFolders(join(root, "a", "b", "c"));
  expect(statSync(join(root, "a", "b", "c")).isDirectory()).toBe(true);
});

it("does not take a file for a folder", () => {
  writeFileSync(join(root, "file"), "");
  expect(() => makeFolders(join(root, "file"))).toThrow(/EEXIST/);
  expect(() => makeFolders(join(root, "file", "below"))).toThrow(/EEXIST|ENOTDIR/);
});

it.skipIf(!existsSync("/proc/self"))("ends where a system has no room for new folders", () => {
  expect(() => makeFolders("/proc/clustseg/below")).toThrow(/ENOENT|EACCES|EPERM/);
});
