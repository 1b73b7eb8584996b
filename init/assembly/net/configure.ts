import { because, compose, INFO, say } from "../report";
import { writeAddress } from "./address";
import { CLASSLESS_ROUTES, findOption } from "./dhcp-message";
import { Interface, interfaces } from "./interfaces";
import * as route from "./route";
import { settings } from "./settings";

/** Gives the interface its address and its routes; 0 or -errno. */
export function configure(to: Interface, isFromDhcp: bool): i32 {
  const index = to.addressed;
  if (settings.mtu > 0) report("network: the interface keeps its MTU", route.setMtu(index, settings.mtu));
  let result = route.addAddress(index, settings.address, settings.prefix);
  if (result >= 0 && settings.gateway != 0) result = route.addRoute(index, 0, 0, settings.gateway);
  if (result >= 0 && isFromDhcp) addClasslessRoutes(index);
  return result;
}

/** Takes everything back: the next stage finds the interfaces as the first one did. */
export function release(current: Interface | null): void {
  for (let i = 0; i < interfaces.length; i++) {
    const used = interfaces[i];
    if (used === current) {
      report("network: the address stays", route.removeAddress(used.addressed, settings.address, settings.prefix));
    }
    if (used.addressed != 0 && used.addressed != used.index) report("network: the VLAN stays", route.removeLink(used.addressed));
    if (used.isUp && !used.wasUp) report("network: an interface stays up", route.setLinkUp(used.index, false));
  }
}

/** RFC 3442: of each route how many bits of its destination count, the bytes that hold these, and the gateway. */
function addClasslessRoutes(index: i32): void {
  const option = findOption(CLASSLESS_ROUTES, 1);
  if (option == 0) return;
  let at = option + 1;
  const end = at + load<u8>(option);
  while (at < end) {
    const prefix: i32 = load<u8>(at++);
    const size = (prefix + 7) >> 3;
    if (prefix > 32 || at + size + 4 > end) break;
    let destination: u32 = 0;
    for (let i = 0; i < size; i++) destination |= <u32>load<u8>(at + i) << (24 - 8 * i);
    at += size;
    const gateway = bswap(load<u32>(at));
    at += 4;
    const result = route.addRoute(index, destination, prefix, gateway);
    if (result < 0) because(writeAddress(compose().literal("network: no route to "), destination), result);
    if (result < 0) say(INFO);
  }
}

/** A fault that is worth a line, but not the boot. */
function report(what: string, result: i32): void {
  if (result >= 0) return;
  because(compose().literal(what), result);
  say(INFO);
}
