import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/build/index.ts";
import { UsageError } from "../../src/bytes/index.ts";
import { driverModules, networkDriverSets } from "../../src/kernel/index.ts";
import { driverPurposes, type Layout, layoutOf, stepLine } from "../../src/plan/index.ts";
import { SAMPLE_IMAGE, sampleDatabase } from "../support/plan-samples.ts";

/** The layout that these lines of [location] describe. */
function layoutFrom(location: string): Layout {
  const { layout, location: settings } = parseConfig(`layout = "network"\n[location]\n${location}\n`);
  return layoutOf(layout, settings);
}

const OPTIONS = { timeoutSeconds: 30, onCorruption: "panic" } as const;
const linesOf = (layout: Layout) => layout.steps(SAMPLE_IMAGE, OPTIONS).map(stepLine);
const verbsOf = (layout: Layout) => linesOf(layout).map((line) => line.replace(/^(candidate \S+|\S+).*/, "$1"));
const NAME = `${SAMPLE_IMAGE.rootHash.slice(0, 16)}.raw`;

describe("the plan of the layout network", () => {
  test("with one server has no alternatives", () => {
    const layout = layoutFrom('urls = ["http://boot.example:8080/images/"]');
    expect(verbsOf(layout)).toEqual(["network", "fetch", "loop", "verity", "mount"]);
    expect(linesOf(layout).slice(0, 2)).toEqual([
      "network timeout=30s",
      `fetch /lazyrd/image.raw url=http://boot.example:8080/images/${NAME} size=${SAMPLE_IMAGE.sizeBytes} timeout=30s`,
    ]);
    expect(layout.place(SAMPLE_IMAGE)).toEqual({ kind: "http", urls: [`http://boot.example:8080/images/${NAME}`] });
    expect(driverPurposes(layout)).toEqual(["network"]);
  });

  const ways = ["network", "fetch", "loop", "verity", "mount"];
  const onDisk = ["candidate disk", "device", "device", "verity", "mount"];

  test.each([
    ["", ["candidate network-1", ...ways, "candidate network-2", ...ways, "end"], ["network"]],
    [
      'disk = "first"',
      [...onDisk, "candidate network-1", ...ways, "candidate network-2", ...ways, "end"],
      ["storage", "network"],
    ],
    [
      'disk = "last"',
      ["candidate network-1", ...ways, "candidate network-2", ...ways, ...onDisk, "end"],
      ["storage", "network"],
    ],
  ])("with two servers and %j", (more, verbs, purposes) => {
    const layout = layoutFrom(`urls = ["http://a/x", "http://b/x"]\n${more}`);
    expect(verbsOf(layout)).toEqual(verbs);
    expect(driverPurposes(layout)).toEqual(purposes);
  });

  test("says how the interface is set up", () => {
    const settings = 'address = "192.0.2.7/24"\ngateway = "192.0.2.1"\ndns = ["192.0.2.2", "192.0.2.3"]\nvlan = 7';
    const layout = layoutFrom(`urls = ["http://a/x"]\n${settings}\ninterface = "eth1"\nkeep-network = true`);
    expect(linesOf(layout)[0]).toBe(
      "network address=192.0.2.7/24 gateway=192.0.2.1 dns=192.0.2.2,192.0.2.3 interface=eth1 vlan=7 keep=yes timeout=30s",
    );
    expect(layout.features).toEqual(["loop", "vlan"]);
  });

  test.each([
    ["", /\[location\] urls says where the image is/],
    ['urls = ["https://a/x"]', /expected http:\/\/HOST/],
    ['urls = ["ftp://a/x"]', /expected http/],
    ['urls = ["http://"]', /expected http/],
    ['urls = ["http://user@a/x"]', /expected http/],
    ['urls = ["http://a/x y"]', /expected http/],
    ['urls = ["http://[fe80::1]/x"]', /expected http/],
    ['urls = ["http://a/x"]\naddress = "192.0.2.7"', /"192.0.2.7" in \[location\]: expected an IPv4 address/],
    ['urls = ["http://a/x"]\naddress = "192.0.2.256/24"', /expected an IPv4 address/],
    ['urls = ["http://a/x"]\naddress = "192.0.2.7/33"', /expected an IPv4 address/],
    ['urls = ["http://a/x"]\naddress = "192.0.2.7/24"\ngateway = "x"', /"x" in \[location\]/],
    ['urls = ["http://a/x"]\ndns = ["ns.example"]', /"ns.example" in \[location\]/],
    ['urls = ["http://a/x"]\ngateway = "192.0.2.1"', /gateway without address/],
    ['urls = ["http://a/x"]\ninterface = "a b"', /a name or a MAC address/],
    ['urls = ["http://a/x"]\ndevice = "LABEL=x"', /\[location\] device: the layout "network" takes urls, disk/],
  ])("refuses %j", (location, message) => {
    expect(() => layoutFrom(location)).toThrow(UsageError);
    expect(() => layoutFrom(location)).toThrow(message);
  });

  test("refuses its settings elsewhere", () => {
    const { location } = parseConfig('[location]\nurls = ["http://a/x"]\n');
    expect(() => layoutOf("memory", location)).toThrow(/\[location\] urls: the layout "memory" takes no settings/);
  });
});

describe("drivers of network interfaces", () => {
  test("are those of the set by the same name, each once", async () => {
    const database = await sampleDatabase();
    const names = driverModules(database, { kind: "set", set: "virtio" }, ["storage", "network"]).map(
      ({ name }) => name,
    );
    expect(names).toContain("virtio_blk");
    expect(names).toContain("virtio_net");
    expect(names.filter((name) => name === "virtio_pci")).toHaveLength(1);
    expect(driverModules(database, { kind: "set", set: "generic" }, [])).toEqual([]);
  });

  test("are wired only, and no set has one twice", () => {
    for (const groups of Object.values(networkDriverSets)) {
      const modules = groups.flatMap((group) => group.modules);
      expect(new Set(modules).size).toBe(modules.length);
      expect(modules.filter((name) => /wifi|mac80211|iwl/.test(name))).toEqual([]);
    }
  });
});
