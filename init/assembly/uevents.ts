import * as kernel from "./kernel";
import { compose, INFO, say } from "./report";

// struct sockaddr_nl (netlink(7))
const SOCKADDR_SIZE: i32 = 12;
const SOCKADDR_GROUPS: usize = 8;
const KERNEL_GROUP: u32 = 1;

/** The kernel's largest event (UEVENT_BUFFER_SIZE is 2 KiB); only that there was one matters here. */
const EVENT_CAPACITY: i32 = 4096;

const address = memory.data(12);
const event = memory.data(EVENT_CAPACITY);

let socket: i32 = -1;

/** Opens the kernel's channel of device events. Without it waiting still works, only less promptly. */
export function listenForUevents(): void {
  if (socket >= 0) return;
  const type = kernel.SOCK_RAW | kernel.SOCK_CLOEXEC | kernel.SOCK_NONBLOCK;
  socket = kernel.socket(kernel.AF_NETLINK, type, kernel.NETLINK_KOBJECT_UEVENT);
  if (socket < 0) {
    compose().literal("no device events from this kernel: looking again every half second");
    say(INFO);
    return;
  }
  store<u16>(address, <u16>kernel.AF_NETLINK);
  store<u32>(address, KERNEL_GROUP, SOCKADDR_GROUPS);
  kernel.bind(socket, address, SOCKADDR_SIZE);
}

/** Sleeps until a device came, went or changed, or `timeoutMs` have passed. */
export function waitForUevent(timeoutMs: i32): void {
  if (socket < 0) {
    kernel.sleep(timeoutMs);
    return;
  }
  const ready = kernel.waitReadable(socket, timeoutMs);
  if (ready < 0) kernel.sleep(timeoutMs); // or the wait would go round without a pause
  if (ready <= 0) return;
  // One look at all devices answers any number of events.
  while (kernel.read(socket, event, EVENT_CAPACITY) > 0) continue;
}
