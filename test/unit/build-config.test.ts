import { describe, expect, test } from "vitest";
import { defaultConfig, parseConfig } from "../../src/build/index.ts";
import { UsageError } from "../../src/bytes/index.ts";
import { NO_SETTINGS } from "../../src/plan/index.ts";

const EVERYTHING = `
layout = "memory"

[location]
device = "LABEL=boot"
file-system = "ext4"
folder = "/images"
previous = ["41", "40"]
dax = true
urls = ["http://boot.example/"]
disk = "first"
interface = "eth0"
vlan = 7
address = "192.0.2.7/24"
gateway = "192.0.2.1"
dns = ["192.0.2.2"]
keep-network = true
root = "read-only"
usr = "usr.raw"
[first-stage]
compression = "gzip"
drivers = ["nvme", "sd_mod"]
accelerate = false
shell = "/bin/busybox"

[image]
compression = "lz4hc"
cluster-size = 128
modules = "unpack"
drop = ["usr/share/doc/**"]
against = "base.raw"
file-contexts = "file_contexts"
capabilities = "capabilities.txt"
name = "edge"
version = "1.2~rc3"

[modules]
signatures = "resign"
symbols = "auto"
unwind = "strip"
signer = "sign-modules"
certificate = "modules.crt"
keyring = "machine"

[boot]
command-line = "root=/dev/sda2 quiet"
timeout = 5
on-corruption = "error"
on-failure = "panic"
failure-delay = 1

[image-signature]
key = "image.key"
certificate = "image.crt"
required = true
floor = "1.1"
keyring = "builtin"

[measure]
when = "required"
pcr = 16

[uki]
stub = "stub"
os-release = "os-release"
splash = "logo.bmp"
sbat = "sbat.csv"
microcode = "ucode.img"
pcr-public-key = "pcr.pub"
pcr-key = "pcr.key"
pcr-signer = "sign-policies"
pcr-phases = ["enter-initrd"]
profiles = [{ id = "normal" }, { id = "old", title = "Old", command-line = "x", kernel = "k", initrd = "i" }]
`;

describe("lazyrd.toml", () => {
  test("may be empty: then all is as without one", () => {
    expect(parseConfig("")).toEqual(defaultConfig());
    expect(parseConfig("[boot]\n[modules]\n# nothing\n")).toEqual(defaultConfig());
    expect(defaultConfig()).toEqual({
      layout: "partition",
      location: NO_SETTINGS,
      "first-stage": { compression: "zstd", drivers: "generic", accelerate: true, shell: "" },
      image: {
        compression: "lz4",
        "cluster-size": "auto",
        modules: "auto",
        drop: [],
        against: "",
        "file-contexts": "",
        capabilities: "",
        profile: "",
        budget: "none",
        name: "lazyrd",
        version: "",
      },
      modules: {
        signatures: "keep",
        symbols: "auto",
        unwind: "keep",
        key: "",
        signer: "",
        certificate: "",
        keyring: "platform",
      },
      boot: {
        "command-line": "",
        timeout: 30,
        "on-corruption": "panic",
        "on-failure": "reboot",
        "failure-delay": 30,
      },
      measure: { when: "never", pcr: 12 },
      "image-signature": { key: "", signer: "", certificate: "", required: false, floor: "", keyring: "platform" },
      uki: {
        stub: "",
        "os-release": "",
        splash: "",
        sbat: "",
        microcode: "",
        "pcr-public-key": "",
        "pcr-key": "",
        "pcr-signer": "",
        "pcr-phases": "auto",
        profiles: [],
      },
    });
  });

  test("has all of these keys", () => {
    expect(parseConfig(EVERYTHING)).toEqual({
      layout: "memory",
      location: {
        device: "LABEL=boot",
        "file-system": "ext4",
        folder: "/images",
        previous: ["41", "40"],
        dax: true,
        urls: ["http://boot.example/"],
        disk: "first",
        interface: "eth0",
        vlan: 7,
        address: "192.0.2.7/24",
        gateway: "192.0.2.1",
        dns: ["192.0.2.2"],
        "keep-network": true,
        root: "read-only",
        usr: "usr.raw",
      },
      "first-stage": { compression: "gzip", drivers: ["nvme", "sd_mod"], accelerate: false, shell: "/bin/busybox" },
      image: {
        compression: "lz4hc",
        "cluster-size": 128,
        modules: "unpack",
        drop: ["usr/share/doc/**"],
        against: "base.raw",
        "file-contexts": "file_contexts",
        capabilities: "capabilities.txt",
        profile: "",
        budget: "none",
        name: "edge",
        version: "1.2~rc3",
      },
      modules: {
        signatures: "resign",
        symbols: "auto",
        unwind: "strip",
        key: "",
        signer: "sign-modules",
        certificate: "modules.crt",
        keyring: "machine",
      },
      boot: {
        "command-line": "root=/dev/sda2 quiet",
        timeout: 5,
        "on-corruption": "error",
        "on-failure": "panic",
        "failure-delay": 1,
      },
      measure: { when: "required", pcr: 16 },
      "image-signature": {
        key: "image.key",
        signer: "",
        certificate: "image.crt",
        required: true,
        floor: "1.1",
        keyring: "builtin",
      },
      uki: {
        stub: "stub",
        "os-release": "os-release",
        splash: "logo.bmp",
        sbat: "sbat.csv",
        microcode: "ucode.img",
        "pcr-public-key": "pcr.pub",
        "pcr-key": "pcr.key",
        "pcr-signer": "sign-policies",
        "pcr-phases": ["enter-initrd"],
        profiles: [{ id: "normal" }, { id: "old", title: "Old", "command-line": "x", kernel: "k", initrd: "i" }],
      },
    });
  });

  test("what one file sets is not kept for the next one", () => {
    parseConfig(EVERYTHING);
    expect(parseConfig("").boot.timeout).toBe(30);
  });

  test.each(["generic", "virtio", "host"])("drivers may be the set %s", (set) => {
    expect(parseConfig(`[first-stage]\ndrivers = "${set}"`)["first-stage"].drivers).toBe(set);
  });

  test.each([
    ["a mistyped key", "[boot]\ntimout = 5", /boot.*timout/],
    ["a mistyped table", "[bot]\ntimeout = 5", /bot/],
    ["a key in no table", "timeout = 5", /timeout/],
    ["text for a number", '[boot]\ntimeout = "5"', /boot\.timeout: .*expected (int|number)/],
    ["a number that is not whole", "[boot]\ntimeout = 1.5", /boot\.timeout/],
    ["no time at all", "[boot]\ntimeout = 0", /boot\.timeout/],
    ["more than an hour", "[boot]\nfailure-delay = 3601", /boot\.failure-delay/],
    ["an unknown choice", '[boot]\non-corruption = "ignore"', /boot\.on-corruption: .*"panic"\|"reboot"\|"error"/],
    ["a compression the kernel reads, but lazyrd does not write", '[first-stage]\ncompression = "xz"', /compression/],
    ["an empty list of drivers", "[first-stage]\ndrivers = []", /first-stage\.drivers/],
    ["the PCR that policies are signed for", "[measure]\npcr = 11", /measure\.pcr: expected 12 to 16, or 23/],
    ["no phase at all", "[uki]\npcr-phases = []", /uki\.pcr-phases/],
    ["an empty name", '[first-stage]\ndrivers = [""]', /first-stage\.drivers/],
    ["symbols that go although signatures stay", '[modules]\nsymbols = "strip"', /modules\.symbols: .*signatures/],
    ["unwind tables that go although signatures stay", '[modules]\nunwind = "strip"', /modules\.unwind: .*signatures/],
    [
      "unwind tables that go although symbols stay",
      '[modules]\nsignatures = "strip"\nsymbols = "keep"\nunwind = "strip"',
      /modules\.unwind: .*symbols/,
    ],
    ["a version with a blank", '[image]\nversion = "1 2"', /image\.version: expected letters/],
    ["a version too long for a label", `[image]\nversion = "${"1".repeat(19)}"`, /image\.version: .*at most 24/],
    ["a name with an underscore", '[image]\nname = "a_b"', /image\.name: expected letters/],
    ["a table for a value", "[modules.signatures]\nx = 1", /modules\.signatures/],
    ["a value for a table", 'modules = "strip"', /modules/],
  ])("%s is refused by its name", (_, text, message) => {
    expect(() => parseConfig(text, "dir/my.toml")).toThrow(UsageError);
    expect(() => parseConfig(text, "dir/my.toml")).toThrow(message);
    expect(() => parseConfig(text, "dir/my.toml")).toThrow(/^Cannot use dir\/my\.toml: [^\n]+$/);
  });

  test("several faults are named at once", () => {
    const text = "[boot]\ntimeout = 0\nfailure-delay = 0\n[modules]\nx = 1\n";
    expect(() => parseConfig(text)).toThrow(/boot\.timeout: .*; boot\.failure-delay: .*; modules: |modules: .*; boot/);
  });

  test.each([
    ["no value", "[boot]\n\ntimeout =\n", 3],
    ["a key twice", "[boot]\ntimeout = 1\ntimeout = 2\n", 3],
    ["no end of a table's name", "[boot\n", 1],
    ["a number that is none", "[boot]\ntimeout = 5s\n", 2],
  ])("%s is refused with its line", (_, text, line) => {
    expect(() => parseConfig(text, "x.toml")).toThrow(UsageError);
    expect(() => parseConfig(text, "x.toml")).toThrow(new RegExp(`^Cannot read x\\.toml: line ${line}: [^\\n]+$`));
  });
});
