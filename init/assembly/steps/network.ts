import * as kernel from "../kernel";
import { parseAddress, scanAddress, writeAddress } from "../net/address";
import { askForAddress } from "../net/dhcp";
import { configure, release } from "../net/configure";
import { findInterfaces, Interface, interfaces, numberIn } from "../net/interfaces";
import { readIpOption, Wish } from "../net/ip-option";
import * as route from "../net/route";
import { Scanner } from "../net/scanner";
import { settings } from "../net/settings";
import { NANOSECONDS_IN_MS } from "../net/stream";
import { Step } from "../plan";
import { because, compose, INFO, outcome, problem, say } from "../report";
import { PATH_MAX, Text, Writer } from "../text";
import { listenForUevents, waitForUevent } from "../uevents";
import { forgetDevices, loadNextDriver } from "./coldplug";
import { modulesLoaded } from "./modules";

const DEFAULT_TIMEOUT_MS: i32 = 60_000;
/** RFC 2131, 4.1, waits four times as long, which was for slower networks; it doubles in the same way. */
const FIRST_ANSWER_MS: i32 = 1000;
const LONGEST_ANSWER_MS: i32 = 16_000;
/** Machines that were switched on together must not ask together for ever. */
const JITTER_MASK: i64 = 0x1ff;
/** That a cable has come to life is not announced among the devices. */
const CARRIER_INTERVAL_MS: i32 = 100;

const SLASH: u8 = 0x2f;
const COMMA: u8 = 0x2c;
const LAST_VLAN: i64 = 4094;

const scanner = new Scanner();
const name = new Writer(32);
const file = new Writer(PATH_MAX);
let current: Interface | null = null;
let keepsNetwork: bool = false;
let vlan: i32 = 0;

/**
 * `network [address=A/N] [gateway=A] [dns=A,...] [interface=NAME|MAC] [vlan=N] [timeout=Ns] [keep=yes]`: brings a wired
 * interface up, with this address or with one from DHCP. `ip=` on the command line has precedence.
 */
export function networkStep(step: Step): bool {
  const active = current;
  if (active !== null) {
    active.writeName(outcome()).literal(" is up already");
    return true;
  }
  const wish = new Wish();
  if (!readPlan(step, wish)) {
    problem("the plan's line has an address or a number that is none");
    return false;
  }
  readIpOption(wish);
  const timeoutMs = step.milliseconds("timeout", DEFAULT_TIMEOUT_MS);
  const deadline = kernel.clock() + <i64>timeoutMs * NANOSECONDS_IN_MS;
  const modulesBefore = modulesLoaded();
  listenForUevents();
  let answerMs = FIRST_ANSWER_MS;
  while (true) {
    while (loadNextDriver()) continue;
    findInterfaces(wish.device);
    const start = kernel.clock();
    const jitterMs = <i32>((start >> 10) & JITTER_MASK);
    let wasTried = false;
    for (let i = 0; i < interfaces.length; i++) {
      const candidate = interfaces[i];
      if (kernel.clock() >= deadline || !isReady(candidate)) continue;
      wasTried = true;
      if (!obtain(candidate, wish, answerMs + jitterMs, deadline)) continue;
      current = candidate;
      announce(candidate, modulesLoaded() - modulesBefore);
      return true;
    }
    const now = kernel.clock();
    if (now >= deadline) return noAddress(timeoutMs);
    // A server that refuses at once is not asked at once again.
    const restMs = wasTried ? <i64>answerMs - (now - start) / NANOSECONDS_IN_MS : CARRIER_INTERVAL_MS;
    if (restMs > 0) waitForUevent(<i32>min(restMs, (deadline - now) / NANOSECONDS_IN_MS + 1));
    if (wasTried) answerMs = min(answerMs * 2, LONGEST_ANSWER_MS);
    forgetDevices();
  }
}

/** Gives the interfaces back to whoever manages them in the next stage, as they were found. */
export function releaseNetwork(): void {
  if (!keepsNetwork) release(current);
}

function readPlan(step: Step, wish: Wish): bool {
  keepsNetwork = step.option("keep") !== null;
  wish.device = step.option("interface");
  const id = step.option("vlan");
  const number = id === null ? 0 : id.toNumber();
  if (number < 0 || number > LAST_VLAN) return false;
  vlan = <i32>number;
  const gateway = step.option("gateway");
  const address = step.option("address");
  wish.isStatic = address !== null;
  settings.nameServerCount = 0;
  if (address !== null) {
    const found = scanAddress(scanner.over(address.start, address.length));
    const prefix = scanner.skip(SLASH) ? scanner.number() : -1;
    const router = gateway === null ? 0 : parseAddress(gateway);
    if (found <= 0 || prefix < 0 || prefix > 32 || scanner.length > 0 || router < 0) return false;
    settings.address = <u32>found;
    settings.prefix = <i32>prefix;
    settings.gateway = <u32>router;
  }
  const servers = step.option("dns");
  if (servers === null) return true;
  scanner.over(servers.start, servers.length);
  do {
    const server = scanAddress(scanner);
    if (server <= 0) return false;
    settings.addNameServer(<u32>server);
  } while (scanner.skip(COMMA));
  return scanner.length == 0;
}

/** Whether the interface is up and a cable is in it, and the VLAN is there if one is wanted. */
function isReady(candidate: Interface): bool {
  if (!candidate.isUp && !takeUp(candidate)) return false;
  if (!candidate.hasCarrier) {
    candidate.report = "no carrier";
    return false;
  }
  return candidate.addressed != 0 || makeVlan(candidate);
}

function takeUp(candidate: Interface): bool {
  candidate.wasUp = candidate.setting("carrier") >= 0; // of an interface that is down, the kernel does not say
  const result = route.setLinkUp(candidate.index, true);
  candidate.isUp = result >= 0;
  if (vlan == 0) candidate.addressed = candidate.index;
  return candidate.isUp || refused(candidate, "cannot be brought up", result);
}

function makeVlan(candidate: Interface): bool {
  writeAddressedName(candidate);
  let result = route.addVlan(candidate.index, name.start, name.length, vlan);
  if (result >= 0 || result == -kernel.EEXIST) {
    const index = <i32>numberIn(file.reset().literal("/sys/class/net/").text(name.toText()).literal("/ifindex"));
    result = index > 0 ? route.setLinkUp(index, true) : -kernel.ENODEV;
    if (result >= 0) candidate.addressed = index;
  }
  return result >= 0 || refused(candidate, "cannot have a VLAN", result);
}

/** What the kernel calls that which carries the addresses: it is the interface itself where there is no VLAN. */
function writeAddressedName(candidate: Interface): void {
  if (vlan == 0) candidate.writeName(name.reset());
  else name.reset().literal("lazyrd").number(candidate.index);
}

function obtain(candidate: Interface, wish: Wish, answerMs: i32, deadline: i64): bool {
  writeAddressedName(candidate);
  if (!wish.isStatic && !askForAddress(candidate, name, answerMs, deadline)) {
    candidate.report = "no answer to DHCP";
    return false;
  }
  const result = configure(candidate, !wish.isStatic);
  return result >= 0 || refused(candidate, "cannot take its address", result);
}

function refused(candidate: Interface, what: string, result: i32): bool {
  candidate.report = what;
  because(candidate.writeName(compose().literal("network: ")).literal(" ").literal(what), result);
  say(INFO);
  return false;
}

function announce(taken: Interface, loaded: i32): void {
  writeAddress(taken.writeName(outcome()).literal(" has "), settings.address).literal("/").number(settings.prefix);
  if (vlan > 0) outcome().literal(" in VLAN ").number(vlan);
  if (loaded > 0) outcome().literal(", ").number(loaded).literal(" modules loaded");
}

function noAddress(timeoutMs: i32): bool {
  const report = problem("no address on any wired interface after ").number(timeoutMs / 1000).literal(" s; ");
  if (interfaces.length == 0) report.literal("there is no such interface");
  for (let i = 0; i < interfaces.length; i++) {
    if (i > 0) report.literal(", ");
    interfaces[i].writeName(report).literal(": ").literal(interfaces[i].report);
  }
  return false;
}
