import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Generation } from "../../src/build/index.ts";
import { mapImage } from "../support/vm-disks.ts";
import { type GenerationRequest, generation } from "../support/vm-generations.ts";
import { probeFor, section, smallProbe } from "../support/vm-probe.ts";
import { boot, bootToReport, says } from "../support/vm-story.ts";
import { vlanSwitch } from "../support/vm-vlan.ts";

/** How the guest sees the host (QEMU's user network). */
const HOST = "10.0.2.2";
const MEBIBYTE = 1 << 20;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server;
/** What the server says to which path; 404 to others. */
let paths: Record<string, Handler> = {};
let requests: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const { url = "", headers } = request;
    requests.push(`${url} ${headers.range ?? "whole"}`);
    const handler = paths[url];
    if (handler === undefined) response.writeHead(404).end();
    else handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

beforeEach(() => {
  paths = {};
  requests = [];
});

afterAll(() => {
  server.close();
});

const urlOf = (path: string): string => `http://${HOST}:${(server.address() as AddressInfo).port}${path}`;
const ownName = (built: Generation): string => `/${built.manifest.image.rootHash.slice(0, 16)}.raw`;

/** A generation that is fetched from these paths of the server. */
function fetched(location: readonly string[], request: Partial<GenerationRequest> & { paths: readonly string[] }) {
  const urls = `urls = ${JSON.stringify(request.paths.map(urlOf))}`;
  const config = ['layout = "network"', "[location]", urls, ...location, "[boot]", "failure-delay = 1", "timeout = 4"];
  return generation({ kernel: "6.12-amd64", initrd: "small", ...request, config: `${config.join("\n")}\n` });
}

/** Sends what is asked for of `image`, as nginx does; `until` breaks off before that byte. */
function sends(image: Buffer, { until = image.length } = {}): Handler {
  return ({ headers }, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
    response.writeHead(from === 0 ? 200 : 206, {
      ETag: '"lazyrd-1"',
      "Content-Length": image.length - from,
      ...(from === 0 ? {} : { "Content-Range": `bytes ${from}-${image.length - 1}/${image.length}` }),
    });
    if (until >= image.length) response.end(image.subarray(from));
    else response.write(image.subarray(from, until), () => response.socket?.destroy());
  };
}

const INTERFACES = { links: "bb ip link", addresses: "bb ip -4 addr" };

test("without its disk the image is fetched, slowly, from elsewhere, and in three parts", async () => {
  const built = fetched(['disk = "first"'], { paths: ["/images/"] });
  const image = readFileSync(built.path("image"));
  let attempts = 0;
  paths = {
    [`/images${ownName(built)}`]: (_, response) => response.writeHead(302, { Location: "/elsewhere" }).end(),
    "/elsewhere": (request, response) => {
      attempts++;
      const until = attempts * MEBIBYTE;
      setTimeout(() => sends(image, { until: attempts < 3 ? until : image.length })(request, response), 1500);
    },
  };
  const ending = await boot(built, { network: "user", disks: [], append: smallProbe(INTERFACES) });
  if (ending.report === undefined) throw new Error("The probe in the image did not report");
  expect(says(ending, "lazyrd: candidate disk failed at plan line")).toBe(true);
  expect(says(ending, "lazyrd: candidate network-1 it is")).toBe(true);
  const [first, second, ...others] = requests.filter((request) => request.startsWith("/elsewhere")).map(offsetOf);
  expect(first).toBe(0);
  expect(second).toBeGreaterThan(MEBIBYTE / 2);
  expect(others.at(-1)).toBeGreaterThan(second ?? 0);
  // The next stage's network manager finds the interface as the kernel made it.
  expect(section(ending.report, "links").filter((line) => /^\d/.test(line))).toHaveLength(2);
  expect(section(ending.report, "links").filter((line) => /[<,]UP[,>]/.test(line))).toEqual([]);
  expect(section(ending.report, "addresses").filter((line) => line.includes("inet"))).toEqual([]);
});

function offsetOf(request: string): number {
  return Number(/bytes=(\d+)-/.exec(request)?.[1] ?? 0);
}

test("mirrors are asked in turn: one has nothing, one has another image, one has it; the address is the command line's", async () => {
  const built = fetched([], { paths: ["/nothing", "/other", "/good"] });
  const image = readFileSync(built.path("image"));
  const other = Buffer.from(image);
  const superblock = mapImage(built).data + 1024;
  other.writeUInt8(other.readUInt8(superblock) ^ 1, superblock);
  paths = { "/other": sends(other), "/good": sends(image) };
  const commandLine = "ip=10.0.2.77::10.0.2.2:255.255.255.0::eth0:off";
  const ending = await boot(built, { network: "user", disks: [], commandLine, append: smallProbe(INTERFACES) });
  expect(ending.report).toBeDefined();
  expect(requests).toEqual(["/nothing whole", "/other whole", "/good whole"]);
  expect(says(ending, "lazyrd: network eth0 has 10.0.2.77/24")).toBe(true);
  expect(says(ending, "(fetch): the server answers 404 to http://10.0.2.2")).toBe(true);
  expect(says(ending, "(verity): the image is not the one with the root hash")).toBe(true);
  expect(says(ending, "lazyrd: candidate network-3 it is")).toBe(true);
});

test("in a VLAN there is an address, and the image", async () => {
  const built = fetched(["vlan = 7"], { paths: ["/vlan"] });
  paths = { "/vlan": sends(readFileSync(built.path("image"))) };
  const network = { socket: await vlanSwitch(7) };
  const ending = await boot(built, { network, disks: [], append: smallProbe(INTERFACES) });
  if (ending.report === undefined) throw new Error("The probe in the image did not report");
  expect(ending.console.some((line) => /lazyrd: network eth0\S* has 10\.0\.2\.15\/24/.test(line))).toBe(true);
  expect(requests).toEqual(["/vlan whole"]);
  // The VLAN is gone, and the interface below it is as the kernel made it.
  expect(section(ending.report, "links").filter((line) => /^\d/.test(line))).toHaveLength(2);
  expect(section(ending.report, "links").filter((line) => /[<,]UP[,>]/.test(line))).toEqual([]);
});

test("without an answer to DHCP, in a VLAN, the image is taken from the disk", async () => {
  const built = fetched(['disk = "last"', "vlan = 7"], { paths: ["/x"] });
  const ending = await boot(built, { network: "silent", append: smallProbe(INTERFACES) });
  if (ending.report === undefined) throw new Error("The probe in the image did not report");
  const reason = "(network): no address on any wired interface after 4 s; eth0: no answer to DHCP; trying disk";
  expect(says(ending, reason)).toBe(true);
  expect(section(ending.report, "links").filter((line) => line.includes("lazyrd"))).toEqual([]);
});

test("a real Debian initrd comes over the network into a machine with 640 MiB", async () => {
  const built = fetched([], { paths: ["/debian"], initrd: "dracut" });
  paths = { "/debian": sends(readFileSync(built.path("image"))) };
  const sections = { root: "bb cat /proc/mounts", memory: "bb grep -E 'Mem(Total|Available)|Shmem:' /proc/meminfo" };
  const report = await bootToReport(built, {
    network: "user",
    disks: [],
    memoryMib: 640,
    append: probeFor("dracut", sections),
  });
  expect(section(report, "root").some((line) => line.includes(" / overlay "))).toBe(true);
  const [, , shared = ""] = section(report, "memory");
  // The image is there once, and nothing else of its size.
  const kib = Number(/\d+/.exec(shared)?.[0]);
  const imageKib = (built.manifest.files["image.raw"]?.sizeBytes ?? 0) / 1024;
  expect(kib).toBeGreaterThanOrEqual(imageKib);
  expect(kib).toBeLessThan(imageKib * 1.25);
});
