import { OutputFile } from "../host/index.ts";

/** Writes an EFI program, which may replace the file it was made from: nobody sees half of it. */
export function writeProgram(path: string, content: Uint8Array): void {
  const output = new OutputFile(path, { force: true });
  try {
    output.writeSparse(content.length, (sink) => sink.writeAt(0, content));
    output.commit();
  } catch (error) {
    output.discard();
    throw error;
  }
}
