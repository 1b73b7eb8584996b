import * as kernel from "../kernel";
import { because, problem } from "../report";
import { Text, Writer } from "../text";
import { ChunkedBody } from "./body";
import { resolve } from "./name";
import { Response } from "./response";
import { connectTo, NANOSECONDS_IN_MS, receive } from "./stream";
import { Transfer } from "./transfer";
import { Url } from "./url";

/** What came of one request. */
export enum Outcome {
  Done,
  /** Another attempt may succeed. */
  Again,
  /** Another attempt would be answered in the same way. */
  Never,
}

const CONNECT_MS: i64 = 10_000;
const MOST_REDIRECTS: i32 = 5;
/** Interim answers (1xx) to one request. */
const MOST_HEADS: i32 = 8;
const HEAD_CAPACITY: i32 = 8192;
const BUFFER_SIZE: i32 = 64 * 1024;
const REQUEST_CAPACITY: i32 = 4096;

const LINE_FEED: u8 = 0x0a;
const CARRIAGE_RETURN: u8 = 0x0d;

const url = new Url();
const response = new Response();
const chunks = new ChunkedBody();
/** The strong ETag of what is being fetched; empty when it has none. */
const tag = new Writer(128);
const request = new Writer(REQUEST_CAPACITY);
const buffer = memory.data(BUFFER_SIZE);
/** How many bytes of `buffer` are filled. */
let filled: i32 = 0;
let isRedirected: bool = false;

/** Forgets what belongs to another file. */
export function beginFile(): void {
  tag.reset();
}

/** Fetches what is still missing. After anything but `Done` there is a description of what went wrong. */
export function get(from: Text, transfer: Transfer): Outcome {
  if (!url.set(from)) return Outcome.Never;
  for (let i = 0; i <= MOST_REDIRECTS; i++) {
    const address = resolve(url.host);
    if (address == 0) return Outcome.Again;
    isRedirected = false;
    const deadline = min(transfer.deadline, kernel.clock() + CONNECT_MS * NANOSECONDS_IN_MS);
    const socket = connectTo(address, url.port, deadline);
    if (socket < 0) return failed("cannot connect to ", socket);
    const outcome = exchange(socket, transfer);
    kernel.close(socket);
    if (!isRedirected) return outcome;
    if (!url.redirect(response.location.position, response.location.length)) return Outcome.Never;
  }
  problem("more than ").number(MOST_REDIRECTS).literal(" redirects, the last to ").text(url.text.toText());
  return Outcome.Never;
}

function exchange(socket: i32, transfer: Transfer): Outcome {
  composeRequest(transfer.have);
  const sent = kernel.write(socket, request.start, request.length);
  if (sent != request.length) return failed("cannot ask ", sent < 0 ? sent : -kernel.EIO);
  filled = 0;
  response.status = 0;
  for (let i = 0; i < MOST_HEADS && response.status < 200; i++) {
    const headLength = receiveHead(socket, transfer.deadline);
    if (headLength <= 0) return headLength == 0 ? Outcome.Never : failed("no answer from ", headLength);
    if (!response.parse(buffer, headLength, tag)) return Outcome.Never;
    if (response.status >= 300 && response.status < 400 && response.location.length > 0) {
      isRedirected = true;
      return Outcome.Again;
    }
    filled -= headLength;
    memory.copy(buffer, buffer + headLength, filled);
  }
  const outcome = judge(transfer);
  return outcome == Outcome.Done ? receiveBody(socket, transfer) : outcome;
}

function composeRequest(have: i64): void {
  request.reset().literal("GET ");
  if (url.path.length == 0) request.literal("/");
  request.bytes(url.path.position, url.path.length).literal(" HTTP/1.1\r\nHost: ");
  request.bytes(url.authority.position, url.authority.length);
  request.literal("\r\nUser-Agent: lazyrd\r\nAccept-Encoding: identity\r\nConnection: close\r\n");
  if (have > 0) {
    request.literal("Range: bytes=").number(have).literal("-\r\n");
    // Another file by the same name is then sent from its start instead.
    if (tag.length > 0) request.literal("If-Range: ").text(tag.toText()).literal("\r\n");
  }
  request.literal("\r\n");
}

/** Fills `buffer` until a whole head is in it: its length, 0 when there is none that fits, or -errno. */
function receiveHead(socket: i32, deadline: i64): i32 {
  while (true) {
    const end = endOfHead();
    if (end > 0) return end;
    if (filled >= HEAD_CAPACITY) {
      problem("the head of the server's answer is longer than ").number(HEAD_CAPACITY).literal(" bytes");
      return 0;
    }
    const got = receive(socket, buffer + filled, HEAD_CAPACITY - filled, deadline);
    if (got <= 0) return got < 0 ? got : -kernel.ECONNRESET;
    filled += got;
  }
}

/** Behind the first empty line, or 0. */
function endOfHead(): i32 {
  let isEmpty = false;
  for (let i = 0; i < filled; i++) {
    const byte = load<u8>(buffer + i);
    if (byte == LINE_FEED && isEmpty) return i + 1;
    if (byte != CARRIAGE_RETURN) isEmpty = byte == LINE_FEED;
  }
  return 0;
}

/** Whether the body that follows is what was asked for. */
function judge(transfer: Transfer): Outcome {
  const status = response.status;
  if (status == 206 && transfer.have > 0) {
    const isRest = response.rangeStart == transfer.have && (response.rangeTotal < 0 || response.rangeTotal == transfer.total);
    if (isRest) return lengthFits(transfer, response.contentLength);
    problem("the server sends another part than was asked for, from byte ").number(response.rangeStart);
    return Outcome.Never;
  }
  if (status == 200) return transfer.restart() ? lengthFits(transfer, response.contentLength) : Outcome.Never;
  problem("the server answers ").number(status).literal(" to ").text(url.text.toText());
  return status >= 500 || status == 408 || status == 429 || status < 200 ? Outcome.Again : Outcome.Never;
}

/** `coming`: how much the server says is still to come, or less than 0. */
function lengthFits(transfer: Transfer, coming: i64): Outcome {
  if (coming < 0 || transfer.have + coming == transfer.total) return Outcome.Done;
  const found = problem("the file there has ").number(transfer.have + coming);
  found.literal(" bytes, not the image's ").number(transfer.total);
  return Outcome.Never;
}

function receiveBody(socket: i32, transfer: Transfer): Outcome {
  chunks.begin();
  while (!transfer.isComplete) {
    if (filled > 0) {
      const isSound = response.isChunked ? chunks.take(buffer, filled, transfer) : transfer.take(buffer, filled);
      if (!isSound) return Outcome.Never;
      filled = 0;
      continue;
    }
    if (chunks.isDone) return lengthFits(transfer, 0);
    const got = receive(socket, buffer, BUFFER_SIZE, transfer.deadline);
    if (got < 0) return failed("the transfer stopped, from ", got);
    if (got == 0) break;
    filled = got;
  }
  if (transfer.isComplete) return Outcome.Done;
  problem("the server ended the transfer after ").number(transfer.have).literal(" of ").number(transfer.total).literal(" bytes");
  return Outcome.Again;
}

function failed(what: string, negatedErrno: i32): Outcome {
  because(problem(what).bytes(url.authority.position, url.authority.length), negatedErrno);
  return Outcome.Again;
}
