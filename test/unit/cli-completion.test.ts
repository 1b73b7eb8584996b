import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bashCompletion } from "../../src/cli/completion/bash.ts";
import { fishCompletion } from "../../src/cli/completion/fish.ts";
import { completionModel } from "../../src/cli/completion/model.ts";
import { zshCompletion } from "../../src/cli/completion/zsh.ts";
import { createProgram } from "../../src/cli/program.ts";
import { DISK_BUSES } from "../../src/vm/index.ts";
import { lazyrd } from "../support/cli.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const model = completionModel(await createProgram());

test("the model has every command with every option", async () => {
  const program = await createProgram();
  expect(model.commands.map(({ name }) => name)).toEqual(program.commands.map((command) => command.name()));
  for (const command of program.commands) {
    const names = model.commands.find(({ name }) => name === command.name())?.options.flatMap((option) => option.names);
    for (const option of command.options) expect(names).toContain(option.long);
    expect(names).toContain("--help");
  }
});

test.each([
  ["bash", bashCompletion],
  ["zsh", zshCompletion],
  ["fish", fishCompletion],
])("%s: printed by the command, with everything in it", (shell, script) => {
  const { stdout, status } = lazyrd(["completion", shell]);
  expect(status).toBe(0);
  expect(stdout).toBe(script(model));
  for (const { name, options } of model.commands) {
    expect(stdout).toContain(name);
    for (const option of options) {
      for (const flag of option.names) expect(stdout).toContain(shell === "fish" ? flag.replace(/^-+/, "") : flag);
    }
  }
});

test("an unknown shell is refused with the known ones", () => {
  const { stderr, status } = lazyrd(["completion", "tcsh"]);
  expect(stderr).toMatch(/bash, zsh, fish/);
  expect(status).toBe(2);
});

describe("in bash", () => {
  const complete = (context: Parameters<typeof requireTool>[0], words: readonly string[], cwd = "/"): string[] => {
    const list = words.map((word) => `'${word}'`).join(" ");
    const script = join(tempFolder(), "completion.bash");
    writeFileSync(script, bashCompletion(model));
    const commands = `source '${script}'; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _lazyrd
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = run(requireTool(context, "bash"), ["-c", commands], { cwd });
    return stdout.split("\n").filter((line) => line !== "");
  };

  test("commands, options, choices", (context) => {
    expect(complete(context, ["lazyrd", ""])).toEqual(expect.arrayContaining(["build", "inspect", "--help"]));
    expect(complete(context, ["lazyrd", "bu"])).toEqual(["build"]);
    expect(complete(context, ["lazyrd", "build", "--ke"])).toEqual(["--kernel", "--key"]);
    expect(complete(context, ["lazyrd", "boot", "gen", "--disk", ""])).toEqual([...DISK_BUSES]);
    expect(complete(context, ["lazyrd", "boot", "--disk", "virtio-s"])).toEqual(["virtio-scsi"]);
    // bash splits --disk=n into three words.
    expect(complete(context, ["lazyrd", "boot", "--disk", "=", "n"])).toEqual(["nvme"]);
    expect(complete(context, ["lazyrd", "boot", "--disk", "="])).toEqual([...DISK_BUSES]);
    expect(complete(context, ["lazyrd", "build", "-d", "g"])).toEqual(["generic"]);
    expect(complete(context, ["lazyrd", "completion", ""])).toEqual(["bash", "zsh", "fish"]);
    expect(complete(context, ["lazyrd", "boot", "--memory", ""])).toEqual([]);
  });

  test("files where a file belongs, folders where a folder does", (context) => {
    const folder = tempFolder();
    mkdirSync(join(folder, "a folder"));
    writeFileSync(join(folder, "a file"), "");
    expect(complete(context, ["lazyrd", "inspect", "a"], folder).sort()).toEqual(["a file", "a folder"]);
    expect(complete(context, ["lazyrd", "build", "-k", "a"], folder).sort()).toEqual(["a file", "a folder"]);
    expect(complete(context, ["lazyrd", "explain", "a"], folder)).toEqual(["a folder"]);
    expect(complete(context, ["lazyrd", "build", "--output", "a"], folder)).toEqual(["a folder"]);
  });
});
