/** Memory that all threads see: sending a view of it copies nothing. Its pages are provided once they are written. */
export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length));
}

/** `bytes` as they can be sent to a thread: themselves where they are shared, or a copy without what lies around them. */
export function sendable(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof SharedArrayBuffer ? bytes : Uint8Array.from(bytes);
}
