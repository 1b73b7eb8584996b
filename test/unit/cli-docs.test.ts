import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { defaultConfig, parseConfig } from "../../src/build/index.ts";
import { createProgram } from "../../src/cli/program.ts";
import { lazyrd } from "../support/cli.ts";

const page = (name: string): string => fileURLToPath(new URL(`../../docs/${name}`, import.meta.url));

describe("docs/cli.md", () => {
  const HELP = /<!-- help: lazyrd ?(\S*) -->\n[\s\S]*?<!-- end of help -->/g;
  const text = readFileSync(page("cli.md"), "utf8");

  // To bring the page up to date: npx vitest run --project unit test/unit/cli-docs.test.ts -u
  test("holds what each command prints with --help", async () => {
    const upToDate = text.replace(HELP, (_, command: string) => {
      const { stdout, status } = lazyrd([...(command === "" ? [] : [command]), "--help"]);
      expect(status).toBe(0);
      return `<!-- help: lazyrd${command === "" ? "" : ` ${command}`} -->\n\`\`\`text\n${stdout}\`\`\`\n<!-- end of help -->`;
    });
    await expect(upToDate).toMatchFileSnapshot(page("cli.md"));
  });

  test("has a section with the help of every command", async () => {
    const documented = [...text.matchAll(HELP)].map(([, command]) => command);
    expect(documented.sort()).toEqual(
      ["", ...(await createProgram()).commands.map((command) => command.name())].sort(),
    );
  });
});

describe("docs/configuration.md", () => {
  const text = readFileSync(page("configuration.md"), "utf8");
  const defaults = Object.entries(defaultConfig()).flatMap(([name, value]) =>
    typeof value === "string"
      ? [{ key: name, value }]
      : Object.entries(value).map(([key, value]) => ({ key: `${name}.${key}`, value })),
  );
  const sections = new Map(
    text
      .split(/^### /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf("\n")), section]),
  );

  test("describes every key, and no other", () => {
    expect([...sections.keys()]).toEqual(defaults.map(({ key }) => key));
  });

  test.each(defaults)("$key: its default and an example that parses", ({ key, value }) => {
    const section = sections.get(key) ?? "";
    expect(section).toContain(`\nDefault: \`${JSON.stringify(value)}\`\n`);
    const [name = "", table] = key.split(".").reverse();
    const example = /(?:^ {4}.*\n)+/m.exec(section)?.[0] ?? "";
    const config: Record<string, unknown> = parseConfig(`${table === undefined ? "" : `[${table}]`}\n${example}\n`);
    const parsed = table === undefined ? config : (config[table] as Record<string, unknown>);
    // An example that shows the default would show nothing.
    expect(parsed[name]).not.toEqual(value);
  });

  test("its files parse; the first one is the defaults", () => {
    const files = [...text.matchAll(/```toml\n([\s\S]*?)```/g)].map(([, file = ""]) => parseConfig(file));
    expect(files).toHaveLength(2);
    expect(files[0]).toEqual(defaultConfig());
  });
});
