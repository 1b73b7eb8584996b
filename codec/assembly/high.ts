/**
 * The cheapest encoding: for every place of the input the least bytes that lead there, found from front to back. A
 * match costs the same whatever its distance, so that only the longest match of each place counts, with all shorter
 * lengths.
 */
import { HEADS, HEADS_BITS, HEADS_BYTES, MAX_DECODED, NODE_BYTES, NODES, OUTPUT, TREES } from "./memory";
import {
  begin,
  equalBytes,
  finish,
  fittingLiterals,
  fittingMatch,
  LAST_LITERALS,
  LAST_MATCH_START,
  lengthBytes,
  matchCost,
  MAX_DISTANCE,
  MIN_MATCH,
  output,
  RESERVE,
  writeSequence,
} from "./sequences";

/** A match of this length is taken at once: looking inside of it gains next to nothing and costs most of the time. */
const NICE_LENGTH: usize = 64;

const HASH_FACTOR: u32 = 2654435761;
/** As many trees as there are distances. */
const TREE_MASK: usize = 0xffff;
const UNREACHED: u32 = 0xffffffff;

/** Fields of a node: least bytes in front of the last sequence's end, literals since the last match, and that match. */
const COST: usize = 0;
const LITERALS: usize = 4;
const LENGTH: usize = 8;
const DISTANCE: usize = 12;

@inline
function node(index: usize): usize {
  return NODES + index * NODE_BYTES;
}

@inline
function treeOf(place: usize): usize {
  return TREES + ((place & TREE_MASK) << 3);
}

@inline
function headOf(place: usize): usize {
  return HEADS + (<usize>((load<u32>(place) * HASH_FACTOR) >> (32 - HEADS_BITS)) << 2);
}

let bestDistance: usize = 0;

/**
 * The longest match at `place`, not looked at beyond NICE_LENGTH, 0 without any; with its distance in `bestDistance`. Places that begin with the same
 * hash form a binary tree, ordered by the bytes that follow; `place` becomes its root, on the way down that finds the
 * places most like it.
 */
function longestMatch(place: usize, start: usize, matchEnd: usize, attempts: u32): usize {
  const head = headOf(place);
  let earlier = <usize>load<u32>(head);
  store<u32>(head, <u32>place);
  const lowest = max(start, place - MAX_DISTANCE);
  const searchEnd = min(matchEnd, place + NICE_LENGTH);
  let best: usize = MIN_MATCH - 1;
  // Where the next place that is lower, and the next one that is higher than this one, is to be linked.
  let lower = treeOf(place);
  let higher = lower + 4;
  let lowerLength: usize = 0;
  let higherLength: usize = 0;
  while (attempts-- > 0 && earlier >= lowest) {
    const tree = treeOf(earlier);
    let length = min(lowerLength, higherLength);
    length += equalBytes(earlier + length, place + length, searchEnd);
    if (length > best) {
      best = length;
      bestDistance = place - earlier;
    }
    if (place + length >= searchEnd) {
      // As far as is looked they are equal: this place takes the other one's.
      store<u32>(lower, load<u32>(tree));
      store<u32>(higher, load<u32>(tree, 4));
      return best;
    }
    if (load<u8>(earlier + length) < load<u8>(place + length)) {
      store<u32>(lower, <u32>earlier);
      lower = tree + 4;
      lowerLength = length;
      earlier = load<u32>(lower);
    } else {
      store<u32>(higher, <u32>earlier);
      higher = tree;
      higherLength = length;
      earlier = load<u32>(higher);
    }
  }
  store<u32>(lower, 0);
  store<u32>(higher, 0);
  return best < MIN_MATCH ? 0 : best;
}

@inline
function reach(index: usize, cost: u32, literals: u32, length: usize, distance: usize): void {
  const to = node(index);
  store<u32>(to, cost, COST);
  store<u32>(to, literals, LITERALS);
  store<u32>(to, <u32>length, LENGTH);
  store<u32>(to, <u32>distance, DISTANCE);
}

export function encodeHigh(start: usize, end: usize, room: usize, attempts: u32): usize {
  begin();
  const limit = OUTPUT + room;
  if (end - start > MAX_DECODED) end = start + MAX_DECODED;
  if (end - start <= LAST_MATCH_START) return finish(start, start, end, limit);
  memory.fill(HEADS, 0, HEADS_BYTES);
  const lastStart = end - LAST_MATCH_START;
  const matchEnd = end - LAST_LITERALS;
  // A match must leave RESERVE free; a node that costs more can be passed only.
  const most = <u32>(room - RESERVE);

  reach(0, 0, 0, 0, 0);
  /** Nodes up to this one have a cost, the farthest one that is worth going to. */
  let known: usize = 0;
  let useful: usize = 0;
  let index: usize = 0;
  while (index <= useful && start + index <= lastStart) {
    const place = start + index;
    const from = node(index);
    const cost = load<u32>(from, COST);
    const literals = load<u32>(from, LITERALS);
    // One literal more: its byte, and one more byte of the run's length each time that overflows.
    const more = literals + 1;
    const literalCost = cost + 1 + (lengthBytes(more) != lengthBytes(literals) ? 1 : 0);
    if (index + 1 > known) {
      known = index + 1;
      store<u32>(node(known), UNREACHED, COST);
    }
    if (literalCost < load<u32>(node(index + 1), COST)) {
      reach(index + 1, literalCost, more, load<u32>(from, LENGTH), load<u32>(from, DISTANCE));
      if (literalCost <= most) useful = max(useful, index + 1);
    }
    const length = longestMatch(place, start, matchEnd, attempts);
    if (length == 0 || cost > most) {
      index++;
      continue;
    }
    if (length >= NICE_LENGTH) {
      const full = length + equalBytes(place + length - bestDistance, place + length, matchEnd);
      const fitting: usize = cost + <u32>matchCost(MIN_MATCH) > most ? 0 : fittingMatch(full, most - cost);
      if (fitting < MIN_MATCH) {
        index++;
        continue;
      }
      const distance = bestDistance;
      for (let i: usize = 1; i < fitting; i++) {
        store<u32>(node(index + i), UNREACHED, COST);
        if (place + i <= lastStart) longestMatch(place + i, start, matchEnd, attempts);
      }
      index += fitting;
      reach(index, cost + <u32>matchCost(fitting), 0, fitting, distance);
      known = index;
      useful = index;
      if (fitting < full) break;
      continue;
    }
    const target = index + length;
    while (known < target) store<u32>(node(++known), UNREACHED, COST);
    let step = cost + <u32>matchCost(MIN_MATCH);
    let stepEnd: usize = MIN_MATCH + 14;
    for (let i: usize = MIN_MATCH; i <= length; i++) {
      if (i > stepEnd) {
        step++;
        stepEnd += 255;
      }
      // Among equals the match: it leaves the literals' run at zero.
      if (step <= load<u32>(node(index + i), COST)) reach(index + i, step, 0, i, bestDistance);
    }
    if (step <= most) useful = max(useful, target);
    index++;
  }
  return emit(start, end, known, limit, most);
}

/** The number of literals at a node's end belongs to the last sequence: a node without them is where a match ends. */
function emit(start: usize, end: usize, last: usize, limit: usize, most: u32): usize {
  let bestEnd: usize = 0;
  let bestNode: usize = 0;
  for (let index: usize = 0; index <= last; index++) {
    const at = node(index);
    const cost = load<u32>(at, COST);
    if (cost > most || load<u32>(at, LITERALS) != 0) continue;
    const reached = index + fittingLiterals(end - start - index, limit - OUTPUT - cost);
    if (reached >= bestEnd) {
      bestEnd = reached;
      bestNode = index;
    }
  }
  // The nodes know the way back. On the way each match's end learns where the next one ends, and its own literals.
  let next: usize = 0;
  let index = bestNode;
  while (index != 0) {
    const from = index - load<u32>(node(index), LENGTH);
    const literals = load<u32>(node(from), LITERALS);
    store<u32>(node(index), <u32>next, COST);
    store<u32>(node(index), literals, LITERALS);
    next = index;
    index = from - literals;
  }
  let anchor = start;
  while (next != 0) {
    const at = node(next);
    writeSequence(anchor, load<u32>(at, LITERALS), load<u32>(at, DISTANCE), load<u32>(at, LENGTH));
    anchor = start + next;
    next = load<u32>(at, COST);
  }
  return finish(start, anchor, end, limit);
}
