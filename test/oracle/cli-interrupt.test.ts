import { spawn } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { contentsOf, lazyrd, lazyrdProgram } from "../support/cli.ts";
import { initrdFixture, kernelFixture } from "../support/fixtures.ts";
import { tempFolder } from "../support/temp.ts";

const KERNEL = "6.1-cloud-amd64";

function buildArguments(output: string): string[] {
  const { vmlinuz, modules } = kernelFixture(KERNEL);
  return ["build", "-k", vmlinuz, "-m", modules, "-i", initrdFixture("dracut", KERNEL), "-d", "virtio", "-o", output];
}

/** Builds until `stage` is announced, sends the signal, and says how it ended. */
function interrupt(output: string, stage: string, signal: NodeJS.Signals): Promise<NodeJS.Signals | null> {
  const child = spawn(process.execPath, [lazyrdProgram(), ...buildArguments(output)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let seen = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    const before = seen.includes(stage);
    seen += text;
    if (!before && seen.includes(stage)) child.kill(signal);
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (_, endedBy) => resolve(endedBy));
  });
}

test.each([
  ["reading the initrd", "SIGINT"],
  ["choosing modules", "SIGTERM"],
  ["writing the image", "SIGINT"],
  ["writing the image", "SIGHUP"],
  ["writing the first stage", "SIGTERM"],
] as const)("a build that is interrupted while %s (%s) leaves nothing behind", async (stage, signal) => {
  const parent = join(tempFolder(), "out");
  mkdirSync(parent);
  expect(await interrupt(join(parent, "gen"), stage, signal)).toBe(signal);
  expect(readdirSync(parent)).toEqual([]);
});

test("a generation that is there survives, and so does the folder around it; made parents go", async () => {
  const parent = tempFolder();
  const { status, stderr } = lazyrd(buildArguments(join(parent, "gen")));
  expect(stderr.split("\n")).toContain("writing the image");
  expect(status).toBe(0);
  const before = contentsOf(parent);
  expect(await interrupt(join(parent, "gen"), "writing the image", "SIGTERM")).toBe("SIGTERM");
  expect(await interrupt(join(parent, "new", "folder", "gen"), "writing the image", "SIGTERM")).toBe("SIGTERM");
  expect(contentsOf(parent)).toEqual(before);
});
