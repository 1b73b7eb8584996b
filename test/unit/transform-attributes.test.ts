import { describe, expect, test } from "vitest";
import { byteStringBytes, byteStringFrom, FormatError, toHex } from "../../src/bytes/index.ts";
import {
  type FileContexts,
  type NamedText,
  parseFileContexts,
  parseSubstitutions,
  transformTree,
} from "../../src/transform/index.ts";
import { translatePcre, UntranslatableError } from "../../src/transform/pcre.ts";
import { directory, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { device } from "../support/erofs-trees.ts";

const named = (text: string, path = "contexts"): NamedText => ({ path, bytes: Buffer.from(text) });
const WISHES = { drop: [], modules: undefined, fileContexts: undefined, capabilities: undefined, base: undefined };

describe("an expression of PCRE", () => {
  test.each([
    ["/usr(/.*)?", ["/usr", "/usr/a/b"], ["/usrx", "/a/usr"]],
    ["/a.b", ["/a/b", "/a\nb"], ["/ab"]],
    ["/lib\\.so(\\.[0-9]+)*", ["/lib.so", "/lib.so.1.2"], ["/libxso"]],
    ["/[^/]*\\.ko", ["/a.ko"], ["/a/b.ko"]],
    ["/[]x]", ["/]", "/x"], ["/a"]],
    ["/[[]", ["/["], ["/a"]],
    ["/[[:digit:]a-c]+", ["/1a"], ["/d"]],
    ["/tty\\d{1,2}", ["/tty1", "/tty12"], ["/tty", "/tty123"]],
    ["/a{b}", ["/a{b}"], ["/ab"]],
    ["/(?:a|b)c", ["/ac", "/bc"], ["/c"]],
    ["/a|/b", ["/a", "/ax", "x/b"], ["/c"]],
    ["/\\s", ["/ ", "/\t"], ["/\xa0"]],
    ["/\\-\\_\\@", ["/-_@"], []],
    ["/[\\w.+-]+", ["/a_1.x+-"], ["/ "]],
    ["/.{2}", ["/\xc3\xa4"], ["/x"]],
    ["/a*?b", ["/aab", "/b"], []],
  ])("%s", (pattern, meant, others) => {
    const expression = translatePcre(pattern);
    expect(meant.filter((path) => !expression.test(path))).toEqual([]);
    expect(others.filter((path) => expression.test(path))).toEqual([]);
  });

  test.each([
    ["/a++", /possessive/],
    ["/(?>a)", /\(\?>/],
    ["/(?i)a", /\(\?i/],
    ["/(?P<n>a)", /\(\?P/],
    ["/(*UTF)a", /\(\*/],
    ["/\\Aa", /\\A/],
    ["/\\x{e4}", /\\x\{e4\}/],
    ["/[[:^digit:]]", /\[:\^digit:\]/],
    ["/[[.a.]]", /\[\.a\.\]/],
    ["/[a", /\[ has no \]/],
    ["/(a", /no regular expression/],
    ["/a\\", /ends with a \\/],
    ["/a{2}{3}", /\{3\}/],
    ["*", /no regular expression/],
  ])("%s is refused by what is unknown in it", (pattern, message) => {
    expect(() => translatePcre(pattern)).toThrow(UntranslatableError);
    expect(() => translatePcre(pattern)).toThrow(message);
  });
});

async function labels(
  tree: Tree,
  contexts: FileContexts,
): Promise<{ labels: Record<string, string>; warnings: readonly string[] }> {
  const result = await transformTree(tree, { ...WISHES, fileContexts: contexts }, "/init");
  const entries = [...result.tree.walk()].map(({ path, node }): [string, string] => [
    `/${path}`,
    byteStringFrom(node.xattrs.get("security.selinux") ?? new Uint8Array()),
  ]);
  return { labels: Object.fromEntries(entries.filter(([, label]) => label !== "")), warnings: result.warnings };
}

const contextsOf = (text: string, ...substitutions: string[]): FileContexts => ({
  specs: parseFileContexts([named(text)]),
  substitutions: substitutions.map((file) => parseSubstitutions(named(file))),
});

function sampleTree(): Tree {
  const tree = new Tree();
  tree.setWithParents("etc/passwd", regularFile(Buffer.from("x")));
  tree.setWithParents("usr/bin/sh", symlink("busybox"));
  tree.set("usr/bin/busybox", regularFile(Buffer.from("x")));
  tree.set("dev", directory());
  tree.set("dev/null", device("character-device", 1, 3));
  return tree;
}

describe("SELinux labels", () => {
  test("the last line that fits counts, one without wildcards is stronger, and the kind must fit", async () => {
    const { labels: found, warnings } = await labels(
      sampleTree(),
      contextsOf(`
# comment
/etc/passwd    --   u:r:passwd:s0
/.*                 u:r:default:s0
/usr/bin/.*    -l   u:r:link:s0
/usr(/.*)?     --   u:r:early:s0
/usr/bin/.*    --   u:r:bin:s0
/dev/.*        -c   u:r:device:s0
/dev                <<none>>
`),
    );
    expect(found).toEqual({
      "/": "u:r:default:s0\0",
      "/dev/null": "u:r:device:s0\0",
      "/etc": "u:r:default:s0\0",
      "/etc/passwd": "u:r:passwd:s0\0",
      "/usr": "u:r:default:s0\0",
      "/usr/bin": "u:r:default:s0\0",
      "/usr/bin/busybox": "u:r:bin:s0\0",
      "/usr/bin/sh": "u:r:link:s0\0",
    });
    expect(warnings).toEqual([]);
  });

  test("substitutions lead to other paths: the administrator's, and then the distribution's", async () => {
    const { labels: found } = await labels(
      sampleTree(),
      contextsOf("/srv/bin/sh u:r:a\n/run u:r:b\n/run/null u:r:c\n", "/usr /var\n/dev /run\n", "/var /srv\n"),
    );
    expect(found).toEqual({ "/dev": "u:r:b\0", "/dev/null": "u:r:c\0", "/usr/bin/sh": "u:r:a\0" });
  });

  test("entries that no line says anything about are told, and keep what they have", async () => {
    const { labels: found, warnings } = await labels(sampleTree(), contextsOf("/etc/.* u:r:a\n"));
    expect(found).toEqual({ "/etc/passwd": "u:r:a\0" });
    expect(warnings).toEqual(["no line of file-contexts says anything about 8 entries: /, /dev, /dev/null and others"]);
  });

  test("a file with two names gets one label, and it is said where they disagree", async () => {
    const tree = new Tree();
    const hard = regularFile(Buffer.from("x"));
    for (const name of ["b", "a"]) tree.set(name, hard);
    const { labels: found, warnings } = await labels(tree, contextsOf("/ u:r:root\n/a u:r:a\n/b u:r:b\n"));
    expect(found).toEqual({ "/": "u:r:root\0", "/a": "u:r:a\0", "/b": "u:r:a\0" });
    expect(warnings).toEqual(["/b would be u:r:b, but is u:r:a, by its first name: a file has one SELinux label"]);
  });

  test.each([
    ["/a", /line 2 of contexts: expected an expression/],
    ["/a -- u:r:t more", /line 2 of contexts: expected an expression/],
    ["/a -x u:r:t", /line 2 of contexts: expected one of -- -d .* got -x/],
    ["/a label", /line 2 of contexts: expected user:role:type/],
    ["/a(?i)b u:r:t", /line 2 of contexts: \/a\(\?i\)b: lazyrd does not know/],
  ])("%s is refused with its line", (line, message) => {
    expect(() => parseFileContexts([named(`# one\n${line}\n`)])).toThrow(FormatError);
    expect(() => parseFileContexts([named(`# one\n${line}\n`)])).toThrow(message);
  });

  test("a substitution needs two paths", () => {
    expect(() => parseSubstitutions(named("/a\n"))).toThrow(/line 1 of contexts: expected two paths/);
    expect(() => parseSubstitutions(named("/a b\n"))).toThrow(/begin with \//);
  });
});

describe("capabilities", () => {
  async function encodedBy(line: string): Promise<string> {
    const tree = new Tree();
    tree.setWithParents("usr/bin/a program", regularFile(Buffer.from("x")));
    tree.set("bin", symlink("usr/bin"));
    const wishes = { ...WISHES, capabilities: named(`# comment\n${line}\n`) };
    const result = await transformTree(tree, wishes, "/init");
    return toHex(result.tree.get("usr/bin/a program")?.xattrs.get("security.capability") ?? byteStringBytes(""));
  }

  test.each([
    ["cap_net_raw=ep", "0100000200200000000000000000000000000000"],
    ["= cap_net_raw+ep", "0100000200200000000000000000000000000000"],
    ["cap_net_raw+ep", "0100000200200000000000000000000000000000"],
    ["cap_net_admin,cap_net_raw=p", "0000000200300000000000000000000000000000"],
    ["cap_chown=p cap_bpf+i", "0000000201000000000000000000000080000000"],
    ["=eip", "01000002ffffffffffffffffff010000ff010000"],
    ["all=p cap_chown-p", "00000002feffffff00000000ff01000000000000"],
    ["=p cap_syslog=", "00000002ffffffff00000000fb01000000000000"],
    ["cap_net_raw=ep [rootid=1000]", "0100000300200000000000000000000000000000e8030000"],
  ])("%s", async (text, value) => {
    expect(await encodedBy(`/bin/a program ${text}`)).toBe(value);
  });

  test.each([
    ["/bin/a program", /expected a path and capabilities/],
    ["bin/a cap_chown=p", /expected a path/],
    ["/bin/a cap_chown+", /expected a path/],
    ["/bin/a program cap_fly=p", /line 2 of contexts: expected the name of a capability, got cap_fly/],
    ["/bin/a program cap_chown=p cap_kill=ep", /all or none/],
    ["/bin cap_chown=p", /expected a regular file, \/bin is a directory/],
    ["/bin/a program cap_chown=p [rootid=4294967295]", /rootid/],
  ])("%s is refused", async (line, message) => {
    await expect(encodedBy(line)).rejects.toThrow(FormatError);
    await expect(encodedBy(line)).rejects.toThrow(message);
  });

  test("of a file that is not there: a warning", async () => {
    const wishes = { ...WISHES, capabilities: named("/bin/ping cap_net_raw=ep\n") };
    const { warnings } = await transformTree(new Tree(), wishes, "/init");
    expect(warnings).toEqual(["contexts names /bin/ping, which is not in the image"]);
  });
});
