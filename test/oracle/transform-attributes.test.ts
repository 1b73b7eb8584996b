import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { getuid } from "node:process";
import { expect, test } from "vitest";
import { encodeErofs } from "../../src/formats/erofs/index.ts";
import { contextOf, parseFileContexts, parseSubstitutions, transformTree, UNKNOWN } from "../../src/transform/index.ts";
import { type Node, regularFile, Tree } from "../../src/tree/index.ts";
import { mountErofs, requireErofsMounts } from "../support/erofs-mount.ts";
import { treeOfFolder } from "../support/erofs-trees.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const WISHES = { drop: [], modules: undefined, fileContexts: undefined, capabilities: undefined, base: undefined };

/** As in real policies: few kinds of expressions, in an order that matters. */
const FILE_CONTEXTS = `
/.*                                  system_u:object_r:default_t:s0
/                           -d       system_u:object_r:root_t:s0
/usr(/.*)?                           system_u:object_r:usr_t:s0
/usr/lib/systemd/systemd    --       system_u:object_r:init_exec_t:s0
/usr/(.*/)?bin(/.*)?                 system_u:object_r:bin_t:s0
/usr/bin/.*                 -l       system_u:object_r:link_t:s0
/usr/lib/modules(/.*)?               system_u:object_r:modules_object_t:s0
/usr/lib/(sse2/)?lib[^/]*\\.so(\\.[^/]*)* -- system_u:object_r:lib_t:s0
/etc/[a-f]+[0-9]{2,3}\\.conf          system_u:object_r:conf_t:s0
/etc/passwd[-+]?            --       system_u:object_r:passwd_t:s0
/etc/shadow.*               --       system_u:object_r:shadow_t:s0
/dev/tty[[:digit:]]*        -c       system_u:object_r:tty_t:s0
/dev/[^/]*                  -b       system_u:object_r:disk_t:s0
/proc(/.*)?                          <<none>>
/tmp/.*                     -s       system_u:object_r:socket_t:s0
/tmp/pipe.?                 -p       system_u:object_r:pipe_t:s0
/etc/passwd                          system_u:object_r:any_t:s0
`;
const SUBSTITUTIONS = "/lib /usr/lib\n/run /var/run\n";
const DISTRIBUTIONS_SUBSTITUTIONS = "/var/run /tmp\n/sbin /usr/bin\n";

const PATHS = [
  ...["/", "/usr", "/usr/a", "/usrx", "/usr/bin", "/usr/bin/sh", "/usr/local/bin/x", "/usr/lib/systemd/systemd"],
  ...["/usr/lib/modules", "/usr/lib/modules/6/a.ko", "/usr/lib/liba.so", "/usr/lib/liba.so.1", "/usr/lib/sse2/liba.so"],
  ...["/usr/lib/x/liba.so", "/etc/abc12.conf", "/etc/abc1.conf", "/etc/passwd", "/etc/passwd-", "/etc/passwdx"],
  ...[
    "/etc/shadow",
    "/dev/tty",
    "/dev/tty12",
    "/dev/ttyS",
    "/dev/sda",
    "/proc/1",
    "/tmp/a",
    "/tmp/pipe",
    "/tmp/pipe12",
  ],
  ...["/lib/liba.so", "/lib", "/libx", "/run/a", "/run", "/sbin/init", "/var/run/x"],
];
/** As matchpathcon -m calls them. */
const KINDS: Readonly<Record<string, Node["kind"]>> = {
  file: "file",
  dir: "directory",
  lnk_file: "symlink",
  chr_file: "character-device",
  blk_file: "block-device",
  sock_file: "socket",
  pipe: "fifo",
};

test("libselinux finds the same contexts", (context) => {
  const matchpathcon = requireTool(context, "matchpathcon");
  const file = join(tempFolder(), "file_contexts");
  writeFileSync(file, FILE_CONTEXTS);
  writeFileSync(`${file}.subs`, SUBSTITUTIONS);
  writeFileSync(`${file}.subs_dist`, DISTRIBUTIONS_SUBSTITUTIONS);
  const named = (text: string) => ({ path: file, bytes: Buffer.from(text) });
  const contexts = {
    specs: parseFileContexts([named(FILE_CONTEXTS)]),
    substitutions: [SUBSTITUTIONS, DISTRIBUTIONS_SUBSTITUTIONS].map((text) => parseSubstitutions(named(text))),
  };
  for (const [mode, kind] of Object.entries(KINDS)) {
    const { stdout } = run(matchpathcon, ["-N", "-n", "-f", file, "-m", mode, ...PATHS], { expectFailure: true });
    const theirs = stdout.trimEnd().split("\n");
    const ours = PATHS.map((path) => {
      const found = contextOf(contexts, path, kind);
      return found === UNKNOWN ? "unknown" : (found ?? "<<none>>");
    });
    expect(Object.fromEntries(PATHS.map((path, index) => [path, ours[index]])), mode).toEqual(
      Object.fromEntries(PATHS.map((path, index) => [path, theirs[index]])),
    );
  }
});

const CAPABILITIES = [
  "cap_net_raw=ep",
  "cap_net_admin,cap_net_raw=p",
  "cap_chown=p cap_bpf+i",
  "=eip cap_kill-eip",
  "all=p",
];

test("setcap writes the same values", async (context) => {
  const setcap = requireTool(context, "setcap");
  if (getuid?.() !== 0) context.skip("capabilities need root");
  const folder = tempFolder();
  const tree = new Tree();
  const lines = CAPABILITIES.map((text, index) => {
    writeFileSync(join(folder, `${index}`), "x");
    run(setcap, [text, join(folder, `${index}`)]);
    tree.set(`${index}`, regularFile(Buffer.from("x")));
    return `/${index} ${text}\n`;
  });
  const capabilities = { path: "capabilities", bytes: Buffer.from(lines.join("")) };
  const { tree: ours } = await transformTree(tree, { ...WISHES, capabilities }, "/init");
  const theirs = treeOfFolder(folder, requireTool(context, "python3"));
  const name = "security.capability";
  for (const [index] of CAPABILITIES.entries()) {
    expect(Buffer.from(ours.get(`${index}`)?.xattrs.get(name) ?? [])).toEqual(
      Buffer.from(theirs.get(`${index}`)?.xattrs.get(name) ?? [0]),
    );
  }
});

test("the kernel shows labels and capabilities of an image, and getcap what went in", async (context) => {
  requireErofsMounts(context);
  const getcap = requireTool(context, "getcap");
  const tree = new Tree();
  for (const path of ["usr/bin/ping", "usr/bin/other program"])
    tree.setWithParents(path, regularFile(Buffer.from("x")));
  const text = "/usr/bin/other program cap_net_admin,cap_net_raw=p\n/usr/bin/ping cap_net_raw=ep\n";
  const wishes = {
    ...WISHES,
    capabilities: { path: "capabilities", bytes: Buffer.from(text) },
    fileContexts: {
      specs: parseFileContexts([{ path: "contexts", bytes: Buffer.from(FILE_CONTEXTS) }]),
      substitutions: [],
    },
  };
  const { tree: labelled } = await transformTree(tree, wishes, "/init");
  const folder = tempFolder();
  writeFileSync(join(folder, "image"), encodeErofs(labelled, { uuid: "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0" }));
  const root = join(folder, "root");
  mountErofs(join(folder, "image"), root);
  const listed = run(getcap, ["-r", root]).stdout.replaceAll(root, "").split("\n").sort().join("\n").trimStart();
  expect(`${listed}\n`).toBe(text);
  const shown = treeOfFolder(root, requireTool(context, "python3"));
  expect(Buffer.from(shown.get("usr/bin/ping")?.xattrs.get("security.selinux") ?? []).toString()).toBe(
    "system_u:object_r:bin_t:s0\0",
  );
});
