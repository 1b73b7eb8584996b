import * as kernel from "../kernel";
import { SOCKADDR_SIZE, socketAddress } from "./address";

export const NANOSECONDS_IN_MS: i64 = 1_000_000;

/** A TCP connection to this address, or -errno; at the deadline -ETIMEDOUT. */
export function connectTo(address: u32, port: i32, deadline: i64): i32 {
  const type = kernel.SOCK_STREAM | kernel.SOCK_CLOEXEC | kernel.SOCK_NONBLOCK;
  const socket = kernel.socket(kernel.AF_INET, type, 0);
  if (socket < 0) return socket;
  let result = kernel.connect(socket, socketAddress(address, port), SOCKADDR_SIZE);
  if (result == -kernel.EINPROGRESS) {
    result = kernel.waitWritable(socket, millisecondsTo(deadline));
    // A second connect says what came of the first.
    if (result > 0) result = kernel.connect(socket, socketAddress(address, port), SOCKADDR_SIZE);
    else if (result == 0) result = -kernel.ETIMEDOUT;
  }
  if (result >= 0) return socket;
  kernel.close(socket);
  return result;
}

/** At least one byte, 0 at the end, -ETIMEDOUT at the deadline, or another -errno. The socket must not wait by itself. */
export function receive(socket: i32, buffer: usize, capacity: i32, deadline: i64): i32 {
  while (true) {
    const left = millisecondsTo(deadline);
    if (left <= 0) return -kernel.ETIMEDOUT;
    const got = kernel.read(socket, buffer, capacity);
    if (got != -kernel.EAGAIN) return got;
    const ready = kernel.waitReadable(socket, left);
    if (ready < 0) return ready;
  }
}

function millisecondsTo(deadline: i64): i32 {
  // Rounded up, so that a wait does not end a moment before what it waits for.
  return <i32>((deadline - kernel.clock() + NANOSECONDS_IN_MS - 1) / NANOSECONDS_IN_MS);
}
