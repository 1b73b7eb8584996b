// Joins the data segments of a WebAssembly module that lie close to each other, with zeros between them.
//
// AssemblyScript's optimizer cuts the initial memory at every run of zeros, three times a string. In the module that
// saves bytes; but wasm2c makes of each segment a call that copies it, which takes more than the zeros did.

const SECTION_DATA = 11;
const SECTION_DATA_COUNT = 12;
const HEADER_SIZE = 8;
const ACTIVE_IN_MEMORY_0 = 0;
const I32_CONST = 0x41;
const END = 0x0b;
/** What a call takes, and the constants for it. Bytes. */
const LARGEST_GAP = 40;

/** @param {Uint8Array} module a module without references to its data segments by number */
export function mergeDataSegments(module) {
  const sections = readSections(module);
  const data = sections.find(({ id }) => id === SECTION_DATA);
  if (data === undefined) return module;
  const segments = merge(readSegments(data.content));
  const parts = sections.map(({ id, content }) => {
    if (id === SECTION_DATA) return section(id, encodeSegments(segments));
    return section(id, id === SECTION_DATA_COUNT ? unsigned(segments.length) : content);
  });
  return Buffer.concat([module.subarray(0, HEADER_SIZE), ...parts]);
}

function readSections(module) {
  const sections = [];
  for (let at = HEADER_SIZE; at < module.length; ) {
    const [size, start] = leb(module, at + 1);
    sections.push({ id: module[at], content: module.subarray(start, start + size) });
    at = start + size;
  }
  return sections;
}

function readSegments(content) {
  let [count, at] = leb(content, 0);
  const segments = [];
  for (; count > 0; count--) {
    if (content[at] !== ACTIVE_IN_MEMORY_0 || content[at + 1] !== I32_CONST)
      throw new Error("A data segment of another kind");
    const [offset, behindOffset] = leb(content, at + 2, true);
    if (content[behindOffset] !== END) throw new Error("A data segment at a computed place");
    const [size, start] = leb(content, behindOffset + 1);
    segments.push({ offset, bytes: content.subarray(start, start + size) });
    at = start + size;
  }
  return segments;
}

function merge(segments) {
  const merged = [];
  for (const { offset, bytes } of segments.toSorted((a, b) => a.offset - b.offset)) {
    const last = merged.at(-1);
    const gap = last === undefined ? Number.POSITIVE_INFINITY : offset - last.offset - last.bytes.length;
    if (gap <= LARGEST_GAP) last.bytes = Buffer.concat([last.bytes, Buffer.alloc(gap), bytes]);
    else merged.push({ offset, bytes });
  }
  return merged;
}

function encodeSegments(segments) {
  const parts = segments.flatMap(({ offset, bytes }) => [
    Buffer.from([ACTIVE_IN_MEMORY_0, I32_CONST]),
    signed(offset),
    Buffer.from([END]),
    unsigned(bytes.length),
    bytes,
  ]);
  return Buffer.concat([unsigned(segments.length), ...parts]);
}

function section(id, content) {
  return Buffer.concat([Buffer.from([id]), unsigned(content.length), content]);
}

/** A LEB128 number and where it ends. */
function leb(bytes, start, isSigned = false) {
  let value = 0;
  for (let at = start; ; at++) {
    const byte = bytes[at];
    value |= (byte & 0x7f) << (7 * (at - start));
    if (byte >= 0x80) continue;
    if (isSigned && (byte & 0x40) !== 0) throw new Error("A data segment below zero");
    return [value, at + 1];
  }
}

function unsigned(value) {
  const bytes = [];
  for (let rest = value; rest > 0 || bytes.length === 0; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(bytes.pop() & 0x7f);
  return Buffer.from(bytes);
}

/** Of a number that is not negative: the last byte's seventh bit, which would be a sign, is clear. */
function signed(value) {
  const bytes = unsigned(value);
  const last = bytes.at(-1);
  if ((last & 0x40) === 0) return bytes;
  return Buffer.concat([bytes.subarray(0, -1), Buffer.from([last | 0x80, 0])]);
}
