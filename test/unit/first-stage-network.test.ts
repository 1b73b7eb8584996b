import { describe, expect, test } from "vitest";
import type { ErrnoName } from "../support/simulated-kernel/index.ts";
import {
  callsThatCanFail,
  expectGoodEnd,
  expectPolicy,
  failureOf,
  goodBoot,
  timelineOf,
} from "./first-stage/faults.ts";
import { withFlippedBit } from "./first-stage/image.ts";
import { IMAGE, logOf, planFor, type Story, tell, textOf } from "./first-stage/machine.ts";
import { chunked, inNetwork, networkPlan, networkSteps, part, serving, whole } from "./first-stage/network.ts";
import {
  addressRecord,
  dhcpReply,
  dnsReply,
  goodDhcp,
  ip,
  ipBytes,
  type Piece,
  type Request,
  SERVER,
  type World,
} from "./first-stage/peers.ts";

const { disk } = IMAGE;
const EXEC = { kind: "exec", path: "/init" };

/** Boots, and keeps what the server was asked. */
function boot(world: World, story: Story = {}, facts = {}) {
  const requests: Request[] = [];
  const http: World["http"] = (request) => {
    requests.push(request);
    return (world.http ?? serving())(request);
  };
  return { ...tell(inNetwork({ ...world, http }, story, facts)), requests };
}

const withSteps = (given: Parameters<typeof networkSteps>[0]) => ({ plan: networkPlan(networkSteps(given)) });

describe("a boot over the network", () => {
  const good = boot({});

  test("ends in the image's init, with nothing left of the way there", () => {
    expect(good.end).toEqual(EXEC);
    const { network, descriptors, loopDevices } = good.kernel;
    expect(descriptors.count).toBe(0);
    expect(loopDevices.bound).toBe(1);
    expect([...network.interfaces.values()].map(({ name, isUp, addresses }) => [name, isUp, addresses])).toEqual([
      ["lo", false, []],
      ["eth0", false, []],
    ]);
    expect(network.routes).toEqual([]);
    good.kernel.leaveRoot();
    expect(loopDevices.bound).toBe(0);
  });

  test("says what it does, a line a step", () => {
    expect(logOf(good).join("\n")).toMatch(/^network eth0 has 10\.0\.2\.15\/24, \d+\.\d ms$/m);
    expect(logOf(good).join("\n")).toMatch(
      new RegExp(`^fetch ${disk.length} bytes from http://10.0.2.2/image.raw at \\d+ MB/s,`, "m"),
    );
  });

  test("asks as HTTP/1.1 wants it", () => {
    expect(good.requests).toHaveLength(1);
    expect(good.requests[0]).toMatchObject({
      line: "GET /image.raw HTTP/1.1",
      headers: { host: SERVER, connection: "close", "accept-encoding": "identity" },
    });
  });

  test("keeps the interface as it is when the plan says so, or when it was up before", () => {
    const { network } = boot({}, withSteps({ network: "network keep=yes" })).kernel;
    expect(network.byName("eth0")).toMatchObject({ isUp: true, addresses: [{ address: ip("10.0.2.15"), prefix: 24 }] });
    expect(network.routes).toMatchObject([{ prefix: 0, gateway: ip(SERVER) }]);
    expect(boot({}, {}, { isUp: true }).kernel.network.byName("eth0")).toMatchObject({ isUp: true, addresses: [] });
  });

  test("is the same every time", () => {
    expect(boot({}).calls).toEqual(boot({}).calls);
  });
});

describe("each system call of a boot over the network fails once", () => {
  const good = goodBoot(inNetwork({ http: serving() }));
  const endsOf = (calls: ReturnType<typeof callsThatCanFail>, errno: ErrnoName) =>
    new Set(calls.map((call) => expectGoodEnd(good, call, errno)));

  test("with EIO", () => {
    expect(endsOf(callsThatCanFail(good.boot), "EIO")).toEqual(new Set(["exec", "reboot"]));
  });

  // What comes before and behind is the same in every boot.
  const steps = timelineOf(good.boot).steps.filter(({ step }) => /^(network|fetch) /.test(step));
  const [from, to] = [(steps[0]?.startUs ?? 0) * 1000, (steps[1]?.endUs ?? 0) * 1000];
  const own = callsThatCanFail(good.boot).filter(({ at }) => at > from && at < to);

  test.each(["EAGAIN", "ENOENT"] satisfies ErrnoName[])("with %s, on the way to the image", (errno) => {
    expect(own.length).toBeGreaterThan(50);
    expect(endsOf(own, errno)).toContain("exec");
  });
});

describe("interfaces", () => {
  test("are all tried, the one with a network is used", () => {
    const hardware: Story["hardware"] = ({ network }) => {
      network.add({ name: "wlan0", folders: ["device", "phy80211"], carrierAfterMs: 1 });
      network.add({ name: "br0", folders: [], carrierAfterMs: 1 });
      network.add({ name: "ib0", type: 32, carrierAfterMs: 1 });
      network.add({ name: "vf0", folders: ["device", "master"], carrierAfterMs: 1 });
      network.add({ name: "dead", carrierAfterMs: 1 });
      network.add({ name: "open" });
    };
    const found = boot({}, { hardware });
    expect(found.end).toEqual(EXEC);
    for (const name of ["wlan0", "br0", "ib0", "vf0"]) expect(found.kernel.network.byName(name).isUp).toBe(false);
    expect(textOf(found)).toContain("network eth0 has");
  });

  test.each(["dead", "DE:AD:00:00:00:01"])("only the one that is wanted, %s", (wanted) => {
    const hardware: Story["hardware"] = ({ network }) => {
      network.add({ name: "dead", mac: "de:ad:00:00:00:01", carrierAfterMs: 1 });
    };
    const steps = withSteps({ network: `network timeout=5s interface=${wanted}` });
    expect(failureOf(boot({}, { ...steps, hardware })).message).toBe(
      "no address on any wired interface after 5 s; dead: no answer to DHCP",
    );
  });

  test("that come late are waited for", () => {
    const hardware: Story["hardware"] = ({ network, clock }) =>
      clock.schedule(3000, () => network.add({ name: "eth9", carrierAfterMs: 2000 }));
    expect(boot({}, {}, { carrierAfterMs: 7000 }).end).toEqual(EXEC);
    expect(failureOf(tell({ ...inNetwork({}), hardware })).message).toMatch(/; eth9: no answer to DHCP$/);
  });

  test("that are not there end the boot in time, and without a busy wait", () => {
    const none = tell({ hasNetwork: true, hasDisk: false, plan: networkPlan() });
    expect(failureOf(none)).toMatchObject({
      verb: "network",
      message: "no address on any wired interface after 20 s; there is no such interface",
    });
    expectPolicy(none, 5000);
    expect(none.durationMs).toBeLessThan(20_000 + 5000 + 1000);
    expect(none.calls.length).toBeLessThan(10_000);
    expect(failureOf(boot({}, {}, { carrierAfterMs: undefined })).message).toMatch(/; eth0: no carrier$/);
  });

  test("a VLAN is made for the boot, and taken away", () => {
    const steps = withSteps({ network: "network vlan=42" });
    const found = boot({ vlan: 42 }, steps);
    expect(found.end).toEqual(EXEC);
    expect(textOf(found)).toContain("network eth0 has 10.0.2.15/24 in VLAN 42");
    expect([...found.kernel.network.interfaces.values()].map(({ name }) => name)).toEqual(["lo", "eth0"]);
    const hardware: Story["hardware"] = ({ network }) => {
      network.hasVlans = false;
    };
    expect(failureOf(boot({ vlan: 42 }, { ...steps, hardware })).message).toMatch(/; eth0: cannot have a VLAN$/);
  });
});

describe("DHCP", () => {
  test("is asked again, with growing pauses, until it answers", () => {
    const times: number[] = [];
    const dhcp: World["dhcp"] = (request) => {
      times.push(request.index);
      return request.index < 4 ? [] : goodDhcp(request);
    };
    const late = boot({ dhcp }, withSteps({ network: "network timeout=60s" }));
    expect(late.end).toEqual(EXEC);
    expect(times.length).toBe(6); // four lost, the fifth is answered, and the request after it
    expect(late.durationMs).toBeGreaterThan(15_000);
    expect(late.durationMs).toBeLessThan(20_000);
  });

  const short = (reply: Buffer, length: number) => reply.subarray(0, length);
  const hostile: Readonly<Record<string, World["dhcp"]>> = {
    "of another transaction": (request) => [dhcpReply(request, { change: (reply) => reply.writeUInt32BE(7, 4) })],
    "for another machine": (request) => [dhcpReply(request, { change: (reply) => reply.writeUInt8(1, 30) })],
    "that are requests": (request) => [dhcpReply(request, { change: (reply) => reply.writeUInt8(1, 0) })],
    "without the cookie": (request) => [dhcpReply(request, { change: (reply) => reply.writeUInt32BE(0, 236) })],
    "without an address": (request) => [dhcpReply(request, { address: "0.0.0.0" })],
    "that are empty": () => [new Uint8Array(0)],
    "of every length that is too short": (request) =>
      Array.from({ length: 60 }, (_, index) => short(dhcpReply(request), index * 4)),
    "whose first option runs over the end": (request) => [
      dhcpReply(request, { change: (reply) => reply.writeUInt8(255, 241) }),
    ],
    "whose kind has no content": (request) => [dhcpReply(request, { change: (reply) => reply.writeUInt8(0, 241) })],
    "that never come to a kind": (request) => [
      Buffer.concat([dhcpReply(request).subarray(0, 240), Buffer.alloc(1260)]),
    ],
    "that refuse each request": (request) => [dhcpReply(request, { type: request.type === 1 ? 2 : 6 })],
    "that only ever offer": (request) => [dhcpReply(request, { type: 2 })],
    "that come without end": (request) => Array.from({ length: 1000 }, () => dhcpReply(request, { type: 9 })),
  };

  test.each(Object.entries(hostile))("answers %s are no answers", (_name, dhcp) => {
    const lost = boot({ dhcp });
    expect(failureOf(lost)).toMatchObject({
      verb: "network",
      message: "no address on any wired interface after 20 s; eth0: no answer to DHCP",
    });
    expect(lost.durationMs).toBeLessThan(20_000 + 5000 + 1000);
    const settles: World["dhcp"] = (request) => [
      ...(dhcp?.(request) ?? []),
      ...(request.index < 2 ? [] : goodDhcp(request)),
    ];
    if (!_name.includes("refuse") && !_name.includes("without end")) expect(boot({ dhcp: settles }).end).toEqual(EXEC);
  });

  const settings = (options: readonly (readonly number[])[], more = {}) =>
    boot({ dhcp: (request) => [dhcpReply(request, { options, ...more })] }, withSteps({ network: "network keep=yes" }))
      .kernel.network;

  test("an address with a netmask of 32 bits has its gateway all the same", () => {
    const network = settings([
      [1, 4, 255, 255, 255, 255],
      [3, 4, ...ipBytes(SERVER)],
    ]);
    expect(network.byName("eth0").addresses).toEqual([{ address: ip("10.0.2.15"), prefix: 32 }]);
    expect(network.routes).toMatchObject([{ destination: 0, prefix: 0, gateway: ip(SERVER) }]);
  });

  test("routes that the server lists count instead of its router", () => {
    const list = [32, ...ipBytes(SERVER), 0, 0, 0, 0, 0, ...ipBytes(SERVER), 12, 172, 16, ...ipBytes("10.0.2.9")];
    const network = settings([
      [3, 4, 10, 0, 2, 99],
      [121, list.length, ...list],
    ]);
    expect(network.routes.map(({ destination, prefix, gateway }) => [destination, prefix, gateway])).toEqual([
      [ip(SERVER), 32, 0],
      [0, 0, ip(SERVER)],
      [ip("172.16.0.0"), 12, ip("10.0.2.9")],
    ]);
  });

  test.each([[[33, 1, 2, 3, 4, 5]], [[24, 10, 0]], [[0, 10, 0, 2]], [[32, 10, 0, 2, 2, 0, 0]]])(
    "a list of routes that is cut off counts as far as it is whole: %j",
    (list) => {
      const network = settings([
        [1, 4, 255, 255, 255, 0],
        [121, list.length, ...list],
      ]);
      expect(network.routes).toEqual([]);
    },
  );

  test("the MTU is taken over when it can be one", () => {
    expect(
      settings([
        [1, 4, 255, 255, 255, 0],
        [26, 2, 5, 180],
      ]).byName("eth0").mtu,
    ).toBe(1460);
    expect(
      settings([
        [1, 4, 255, 255, 255, 0],
        [26, 2, 0, 68],
      ]).byName("eth0").mtu,
    ).toBe(1500);
    expect(
      settings([
        [1, 4, 255, 255, 255, 0],
        [26, 2, 255, 255],
      ]).byName("eth0").mtu,
    ).toBe(1500);
  });

  test("options may go on in the fields for names", () => {
    const change = (reply: Buffer) => {
      reply.set([1, 4, 255, 255, 0, 0, 255], 108);
      reply.set([26, 2, 5, 0, 255], 44);
    };
    const network = settings([[52, 1, 3]], { change });
    expect(network.byName("eth0")).toMatchObject({ mtu: 1280, addresses: [{ prefix: 16 }] });
  });

  test("without a netmask, that of the address's class holds", () => {
    expect(settings([]).byName("eth0").addresses).toMatchObject([{ prefix: 8 }]);
  });
});

describe("a fixed address", () => {
  const noDhcp: World = { dhcp: () => [] };

  test("from the plan", () => {
    const steps = withSteps({
      network: "network address=10.0.2.77/24 gateway=10.0.2.2 dns=10.0.2.3,10.0.2.4 keep=yes",
    });
    const { network } = boot(noDhcp, steps).kernel;
    expect(network.byName("eth0").addresses).toEqual([{ address: ip("10.0.2.77"), prefix: 24 }]);
    expect(network.routes).toMatchObject([{ prefix: 0, gateway: ip("10.0.2.2") }]);
  });

  test.each([
    ["ip=10.0.2.78::10.0.2.2:255.255.0.0:host:eth0:off", "10.0.2.78", 16],
    ["quiet ip=dhcp ip=10.0.2.79::10.0.2.2:255.255.255.0::: rw", "10.0.2.79", 24],
    ["ip=10.0.2.80", "10.0.2.80", 8],
  ])("from the command line, %s", (commandLine, address, prefix) => {
    const { network } = boot(noDhcp, { ...withSteps({ network: "network keep=yes" }), commandLine }).kernel;
    expect(network.byName("eth0").addresses).toEqual([{ address: ip(address), prefix }]);
  });

  test.each(["ip=dhcp", "ip=on", "ip=::::host:eth0:dhcp", "ip=:::::eth0"])("gives way to %s", (commandLine) => {
    const steps = withSteps({ network: "network address=10.9.9.9/24 keep=yes" });
    const { network } = boot({}, { ...steps, commandLine }).kernel;
    expect(network.byName("eth0").addresses).toEqual([{ address: ip("10.0.2.15"), prefix: 24 }]);
  });

  test.each(["ip=eth0:dhcp", "ip=10.0.2.300", "ip=[fe80::1]::", "ip=10.0.2.9:::255.0.255.0", "ip=10.0.2.9::::::dhpc"])(
    "%s is left to the next stage",
    (commandLine) => {
      const found = boot({}, { commandLine });
      expect(found.end).toEqual(EXEC);
      expect(textOf(found)).toContain("the next stage is to read this ip=");
    },
  );

  test("without an interface in the command line's device field, nothing is guessed", () => {
    const commandLine = "ip=10.0.2.9::10.0.2.2:255.255.255.0::eth7:none";
    expect(failureOf(boot(noDhcp, { commandLine })).message).toMatch(/there is no such interface$/);
  });

  test.each([
    "address=10.0.2.1",
    "address=10.0.2.1/33",
    "address=x/24",
    "vlan=4095",
    "dns=10.0.2.1;",
    "address=10.0.2.1/24 gateway=x",
  ])("a line with %s is refused", (words) => {
    expect(failureOf(boot({}, withSteps({ network: `network ${words}` }))).message).toBe(
      "the plan's line has an address or a number that is none",
    );
  });
});

describe("names", () => {
  const url = "http://images.example:80/image.raw";
  const named = withSteps({ url });

  test("are asked for, also behind an alias and after lost answers", () => {
    const alias = [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, 0x61, 0xc0, 12];
    let asked = 0;
    const dns: World["dns"] = (name, query) => {
      asked++;
      expect(name).toBe("images.example");
      return asked < 3 ? [] : [dnsReply(query, [alias, addressRecord(SERVER)])];
    };
    const found = boot({ dns }, named);
    expect(found.end).toEqual(EXEC);
    expect(found.requests[0]?.headers["host"]).toBe("images.example:80");
  });

  const wrong: Readonly<Record<string, [World["dns"], RegExp]>> = {
    "that nobody answers": [() => [], /^no name server answered where images\.example is: timed out/],
    "that there are none of": [
      (_, query) => [dnsReply(query, [], 3)],
      /^the name server says that there is no address for images\.example$/,
    ],
    "without an address": [(_, query) => [dnsReply(query, [])], /no address for/],
    "with a record that runs over the end": [
      (_, query) => [dnsReply(query, [[...addressRecord(SERVER).slice(0, 11), 200]])],
      /^no name server answered/,
    ],
    "with a name without end": [
      (_, query) => [dnsReply(query, [Array.from({ length: 200 }, () => 63)])],
      /^no name server answered/,
    ],
    "that are questions again": [(_, query) => [query], /^no name server answered/],
    "of another question": [
      (_, query) => {
        const reply = dnsReply(query, [addressRecord(SERVER)]);
        reply.writeUInt16LE(query.readUInt16LE(0) ^ 1, 0);
        return [reply];
      },
      /^no name server answered/,
    ],
    "of every length": [
      (_, query) => {
        const reply = dnsReply(query, [addressRecord(SERVER)]);
        return Array.from({ length: reply.length - 1 }, (_value, index) => reply.subarray(0, index));
      },
      /^no name server answered/,
    ],
  };

  test.each(Object.entries(wrong))("answers %s", (_name, [dns, message]) => {
    const lost = boot({ dns }, named);
    expect(failureOf(lost)).toMatchObject({ verb: "fetch", message: expect.stringMatching(message) });
    expect(lost.durationMs).toBeLessThan(60_000);
  });

  test("cannot be asked for without a name server", () => {
    const dhcp: World["dhcp"] = (request) => [dhcpReply(request, { options: [[1, 4, 255, 255, 255, 0]] })];
    expect(failureOf(boot({ dhcp }, named)).message).toBe(
      "no name server is known that could say where images.example is",
    );
  });

  test.each([`http://${"a".repeat(64)}.example/`, `http://${"a.".repeat(130)}b/`, "http://a..b/"])(
    "%s is none",
    (odd) => {
      expect(failureOf(boot({}, withSteps({ url: odd }))).message).toMatch(/there is no address for/);
    },
  );
});

describe("HTTP", () => {
  test("goes on where a connection was broken off, if it is still the same file", () => {
    const http: World["http"] = ({ index, headers }) => {
      if (index === 0)
        return ['HTTP/1.1 200 OK\r\nETag: "v1"\r\n\r\n', disk.subarray(0, 5000), { pauseMs: 100 }, "reset"];
      expect(headers["if-range"]).toBe('"v1"');
      if (index === 1) {
        expect(headers["range"]).toBe("bytes=5000-");
        return [...part(disk, 5000).slice(0, 1), disk.subarray(5000, 9000), "end"];
      }
      return serving()({ headers } as Request);
    };
    const found = boot({ http });
    expect(found.end).toEqual(EXEC);
    expect(found.requests[2]?.headers["range"]).toBe("bytes=9000-");
    expect(textOf(found)).toContain(
      "fetch: the transfer stopped, from 10.0.2.2: connection broken off (ECONNRESET); again in 500 ms",
    );
  });

  const ways: Readonly<Record<string, World["http"]>> = {
    "a server that sends the whole file again": ({ index }) =>
      index === 0 ? ["HTTP/1.0 200 OK\r\n\r\n", new Uint8Array(9999), "end"] : whole(disk),
    "a file without a length": () => ["HTTP/1.1 200 OK\n\n", disk, "end"],
    chunks: () => chunked(disk, 1000),
    "chunks of odd sizes": () => chunked(disk, 97),
    "one piece a byte": () => {
      const [head = "", content, end] = whole(disk.subarray());
      return [...String(head)].map((byte): Piece => byte).concat([content ?? "", end ?? "end"]);
    },
    "interim answers": () => [
      "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
      ...whole(disk),
    ],
    "an error that passes": ({ index }) => (index < 2 ? ["HTTP/1.1 503 Busy\r\n\r\n", "end"] : whole(disk)),
    "a connection that is closed at once, once": ({ index }) => (index === 0 ? ["end"] : whole(disk)),
    "a pause that is not too long": () => {
      const [head = "", , end = "end"] = whole(disk);
      return [head, disk.subarray(0, 100), { pauseMs: 9000 }, disk.subarray(100), end];
    },
    "a weak ETag": ({ index, headers }) => {
      if (index > 0) expect(headers["if-range"]).toBeUndefined();
      return index === 0 ? ['HTTP/1.1 200 OK\r\nETag: W/"v1"\r\n\r\n', disk.subarray(0, 700), "end"] : part(disk, 700);
    },
  };

  test.each(Object.entries(ways))("copes with %s", (_name, http) => {
    expect(boot({ http }).end).toEqual(EXEC);
  });

  test.each([
    [301, "http://10.0.2.9:8080/a?b=c", { line: "GET /a?b=c HTTP/1.1", host: "10.0.2.9:8080", port: 8080 }],
    [302, "/b", { line: "GET /b HTTP/1.1", host: SERVER, port: 80 }],
    [303, "HTTP://10.0.2.2", { line: "GET / HTTP/1.1", host: SERVER, port: 80 }],
    [307, "/", { line: "GET / HTTP/1.1", host: SERVER, port: 80 }],
    [308, "http://10.0.2.2/c", { line: "GET /c HTTP/1.1", host: SERVER, port: 80 }],
  ])("follows a redirect, %d to %s", (status, location, expected) => {
    const http: World["http"] = ({ index }) =>
      index === 0 ? [`HTTP/1.1 ${status} Elsewhere\r\nlocation:  ${location} \r\n\r\n`, "end"] : whole(disk);
    const found = boot({ http });
    expect(found.end).toEqual(EXEC);
    const second = found.requests[1];
    expect({ line: second?.line, host: second?.headers["host"], port: second?.to.port }).toEqual(expected);
  });

  const answer =
    (text: string, ...more: readonly Piece[]) =>
    (): Piece[] => [text, ...more, "end"];
  const size = disk.length;
  const refused: Readonly<Record<string, [World["http"], string | RegExp]>> = {
    "404": [answer("HTTP/1.1 404 Not Found\r\n\r\nno"), `the server answers 404 to http://${SERVER}/image.raw`],
    "a shorter file": [
      answer("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n"),
      `the file there has 77 bytes, not the image's ${size}`,
    ],
    "a longer file": [
      () => whole(new Uint8Array(size + 1)),
      `the file there has ${size + 1} bytes, not the image's ${size}`,
    ],
    "a longer file that does not say so": [
      answer("HTTP/1.1 200 OK\r\n\r\n", new Uint8Array(size + 1)),
      `the file there is longer than the image's ${size} bytes`,
    ],
    "a shorter file in chunks": [
      () => chunked(disk.subarray(0, 900), 100),
      `the file there has 900 bytes, not the image's ${size}`,
    ],
    "a head without end": [
      answer(`HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(2000)}`),
      "the head of the server's answer is longer than 8192 bytes",
    ],
    "a line without end": [answer("HTTP/1.1 200 OK".padEnd(100_000, "x")), /head of the server's answer is longer/],
    "something else than HTTP": [answer("SSH-2.0-OpenSSH\r\n\r\n"), "the server's answer is not HTTP as it should be"],
    "a length that is none": [answer("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), /is not HTTP/],
    "a length beyond all": [answer("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"), /is not HTTP/],
    "another encoding": [answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"), /is not HTTP/],
    "chunks that are none": [
      answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
      /chunks are not of the form/,
    ],
    "chunks beyond all": [
      answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"),
      /chunks are not of the form/,
    ],
    "a chunk's line without end": [
      answer(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;${"x".repeat(3000)}`),
      /chunks are not of the form/,
    ],
    "redirects without end": [
      answer("HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"),
      `more than 5 redirects, the last to http://${SERVER}/again`,
    ],
    "a redirect to https": [
      answer("HTTP/1.1 302 Found\r\nLocation: https://10.0.2.2/\r\n\r\n"),
      "https is not spoken here; the root hash protects the image, so http will do: https://10.0.2.2/",
    ],
    "a redirect to nowhere": [answer("HTTP/1.1 302 Found\r\n\r\n"), /answers 302/],
    "a redirect to another form of address": [
      answer("HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\n\r\n"),
      /^not an http:\/\/ address: /,
    ],
    "a redirect to a host on its own scheme": [
      answer("HTTP/1.1 302 Found\r\nLocation: //x/\r\n\r\n"),
      /^not an http:\/\/ address: /,
    ],
    "a redirect with a blank in it": [answer("HTTP/1.1 302 Found\r\nLocation: /a b\r\n\r\n"), /^not a sound address: /],
    "a redirect of endless length": [
      answer(`HTTP/1.1 302 Found\r\nLocation: /${"a".repeat(4000)}\r\n\r\n`),
      /too long an address/,
    ],
    "another part than was asked for": [
      ({ index }) => (index === 0 ? ["HTTP/1.1 200 OK\r\n\r\n", disk.subarray(0, 500), "end"] : part(disk, 400)),
      "the server sends another part than was asked for, from byte 400",
    ],
    "a part of another file": [
      ({ index }) =>
        index === 0 ? ["HTTP/1.1 200 OK\r\n\r\n", disk.subarray(0, 500), "end"] : part(disk.subarray(1), 500),
      /another part/,
    ],
    "a part that is none": [
      ({ index }) =>
        index === 0
          ? ["HTTP/1.1 200 OK\r\n\r\n", disk.subarray(0, 500), "end"]
          : ["HTTP/1.1 206 Partial\r\nContent-Range: bytes x\r\n\r\n"],
      /is not HTTP/,
    ],
    "a part that nobody asked for": [() => part(disk, 0), /answers 206/],
  };

  test.each(Object.entries(refused))("gives up at %s", (_name, [http, message]) => {
    const lost = boot({ http });
    expect(failureOf(lost)).toMatchObject({
      verb: "fetch",
      message: typeof message === "string" ? message : expect.stringMatching(message),
    });
    expectPolicy(lost, 5000);
    expect(lost.durationMs).toBeLessThan(30_000);
  });

  test("does not begin again for ever where a server always breaks off", () => {
    const http: World["http"] = () => ["HTTP/1.1 200 OK\r\n\r\n", disk.subarray(0, 500), "end"];
    const lost = boot({ http }, withSteps({ fetch: "timeout=60s" }));
    expect(failureOf(lost).message).toBe("the server breaks off, and sends no part of a file");
    expect(lost.requests).toHaveLength(7);
  });

  const slow: Readonly<Record<string, [World["http"], RegExp]>> = {
    "that is silent": [() => [], /^no answer from 10\.0\.2\.2: timed out/],
    "that cannot be reached": [() => "refused", /connection broken off/],
    "whose head drips": [
      () => Array.from({ length: 4000 }, () => ["x", { pauseMs: 50 }] satisfies Piece[]).flat(),
      /^no answer/,
    ],
    "whose content drips": [
      () => [
        "HTTP/1.1 200 OK\r\n\r\n",
        ...Array.from(disk, (byte) => [Uint8Array.of(byte), { pauseMs: 900 }] satisfies Piece[]).flat(),
      ],
      /^the transfer stopped, from 10\.0\.2\.2: timed out/,
    ],
    "that always breaks off": [
      ({ index }) => (index > 0 ? ["reset"] : [...whole(disk).slice(0, 1), disk.subarray(0, 9), "reset"]),
      /broken off/,
    ],
    "that is always busy": [() => ["HTTP/1.1 429 Slow down\r\n\r\n", "end"], /answers 429/],
    "with interim answers only": [() => ["HTTP/1.1 100 Continue\r\n\r\n".repeat(300)], /answers 100/],
  };

  test.each(Object.entries(slow))("waits for a server %s as long as the plan says", (_name, [http, message]) => {
    const lost = boot({ http });
    expect(failureOf(lost)).toMatchObject({ verb: "fetch", message: expect.stringMatching(message) });
    expect(lost.durationMs).toBeLessThan(10_000 + 5000 + 2000);
    expect(lost.calls.length).toBeLessThan(60_000);
  });

  test("nobody listens there", () => {
    const lost = tell(inNetwork({}));
    expect(failureOf(lost).message).toBe("cannot connect to 10.0.2.2: connection refused (ECONNREFUSED)");
    expect(lost.durationMs).toBeLessThan(18_000);
  });

  test.each([
    ["https://x/", /https is not spoken here/],
    ["ftp://x/", /^not an http/],
    ["http:///x", /without a host/],
    ["http://10.0.2.2:0/", /without a host, or with a port/],
    ["http://10.0.2.2:65536/", /without a host, or with a port/],
    ["http://10.0.2.2:80x/", /without a host, or with a port/],
    ["http://[fe80::1]/", /without a host, or with a port/],
  ])("%s is refused", (url, message) => {
    expect(failureOf(boot({}, withSteps({ url }))).message).toMatch(message);
  });

  test("says how far it has come, now and then", () => {
    const http = () => {
      const [head = "", , end = "end"] = whole(disk);
      return [
        head,
        disk.subarray(0, 100),
        { pauseMs: 6000 },
        disk.subarray(100, 200),
        { pauseMs: 100 },
        disk.subarray(200),
        end,
      ];
    };
    expect(textOf(boot({ http }))).toMatch(/^fetch: 0 of 0 MB after 6 s$/m);
  });
});

describe("memory", () => {
  test("that is short is noticed before it is filled", () => {
    const lost = boot({}, { memoryAvailableKib: 20_000 });
    expect(failureOf(lost).message).toBe(
      "not enough memory: the image takes 0 MiB, and 19 are available, of which 32 are kept",
    );
    expect(lost.requests).toEqual([]);
    expect(boot({}, { memoryAvailableKib: 40_000 }).end).toEqual(EXEC);
  });
});

describe("candidates", () => {
  const mirror = (name: string) => networkSteps({ url: `http://${SERVER}/${name}` });
  const two = networkPlan(["candidate first", ...mirror("a"), "candidate second", ...mirror("b"), "end"]);
  const damaged = withFlippedBit(IMAGE, IMAGE.dataOffset + 1024).disk;

  test("a mirror with another image is left for the next one, with one network and one copy in memory", () => {
    const http: World["http"] = (request) => serving(request.line.includes("/a ") ? damaged : disk)(request);
    const found = boot({ http }, { plan: two });
    expect(found.end).toEqual(EXEC);
    expect(textOf(found)).toMatch(
      /candidate first failed at plan line \d+ \(verity\): the image is not the one with the root hash/,
    );
    expect(textOf(found)).toContain("network eth0 is up already");
    const files = found.calls.filter(({ name }) => name === "memfd_create").map(({ result }) => result);
    expect(new Set(files).size).toBe(1); // the first one's descriptor was free again
    expect(found.kernel.loopDevices.bound).toBe(1);
  });

  test.each(["404 Not Found", "500 Broken"])("a mirror that answers %s, too", (status) => {
    const http: World["http"] = (request) =>
      request.line.includes("/a ") ? [`HTTP/1.1 ${status}\r\n\r\n`, "end"] : serving()(request);
    expect(boot({ http }, { plan: two }).end).toEqual(EXEC);
  });

  const device = planFor(IMAGE).filter((line) => /^(device|verity|mount) /.test(line));
  const diskFirst = networkPlan(["candidate disk", ...device, "candidate network", ...mirror("a"), "end"]);
  const networkFirst = networkPlan(["candidate network", ...mirror("a"), "candidate disk", ...device, "end"]);

  test("from the disk to the network", () => {
    expect(boot({}, { plan: diskFirst }).end).toEqual(EXEC);
    expect(boot({}, { plan: diskFirst, hasDisk: true }).requests).toEqual([]);
  });

  test("from the network to the disk", () => {
    const found = boot({ dhcp: () => [] }, { plan: networkFirst, hasDisk: true });
    expect(found.end).toEqual(EXEC);
    expect(textOf(found)).toContain(
      "candidate network failed at plan line 7 (network): no address on any wired interface",
    );
  });
});

test("a first stage without network says so", () => {
  expect(failureOf(tell({ plan: networkPlan() })).message).toBe("unknown step");
});
