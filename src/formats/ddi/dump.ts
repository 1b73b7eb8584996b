import { type ByteSource, toHex } from "../../bytes/index.ts";
import { dumpGpt } from "../gpt/index.ts";
import { dumpVerity } from "../verity/index.ts";
import { type DdiTree, readDdi } from "./read.ts";

/** A DDI as text: how its partitions belong together, then the table and the hash areas. */
export function dumpDdi(source: ByteSource): string {
  const ddi = readDdi(source);
  const warnings = ddi.warnings.map((warning) => `warning: ${warning}\n`);
  return [...warnings, ...ddi.trees.map(dumpTree), dumpGpt(source), ...ddi.trees.map(dumpHashArea)].join("");
}

function dumpTree({ designator, architecture, data, verity, signature }: DdiTree): string {
  const lines = [
    `${designator} for ${architecture}`,
    `  data          partition ${data.partition.number}, ${data.partition.sizeBytes} bytes`,
    `  verity        ${verity === undefined ? "none" : `partition ${verity.partition.number}`}`,
    ...(verity === undefined ? [] : [`  root hash     ${toHex(verity.rootHash)}`]),
    `  signature     ${signature === undefined ? "none" : `partition ${signature.partition.number}`}`,
  ];
  return `${lines.join("\n")}\n`;
}

function dumpHashArea({ verity }: DdiTree): string {
  return verity === undefined ? "" : dumpVerity(verity.source);
}
