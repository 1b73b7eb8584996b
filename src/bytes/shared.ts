/** Memory that all threads see: sending a view of it copies nothing. Its pages are provided once they are written. */
export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length));
}
