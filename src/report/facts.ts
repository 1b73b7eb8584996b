import { toText } from "../bytes/index.ts";
import type { BootReport, Difference, DirectoryUse, EntryUse, ImageUse, Report } from "./types.ts";

/** A report as one JSON value: paths as text, and figures by their names. */
export function reportFacts({ boots, differences, scaling }: Report): object {
  return { boots: boots.map(bootFacts), differences: differences.map(differenceFacts), scaling };
}

function bootFacts({ figures, image, curve: _curve, lines: _lines, ...facts }: BootReport): object {
  const values = Object.fromEntries(figures.map((figure) => [figure.name, figure.value]));
  return { ...facts, figures: values, image: imageFacts(image) };
}

function imageFacts({
  imageBytes,
  requests,
  requestedBytes,
  readBytes,
  usedBytes,
  firstReads,
  content,
}: ImageUse): object {
  const totals = { imageBytes, requests, requestedBytes, readBytes, usedBytes, firstReads };
  if ("missing" in content) return { ...totals, missing: content.missing };
  return {
    ...totals,
    kinds: content.kinds,
    directories: directoryFacts(content.directories),
    entries: content.entries.filter(({ readContentBytes }) => readContentBytes > 0).map(entryFacts),
  };
}

function directoryFacts({ path, parts, ...use }: DirectoryUse): object {
  return { path: `/${toText(path)}`, ...use, parts: parts.map(directoryFacts) };
}

function entryFacts({ path, offset, contentBytes, readContentBytes, firstNs }: EntryUse): object {
  return { path: `/${toText(path)}`, offset, bytes: contentBytes, readBytes: readContentBytes, firstNs };
}

function differenceFacts({ entries, ...difference }: Difference): object {
  if (entries === undefined) return difference;
  const { onlyBefore, onlyAfter } = entries;
  return { ...difference, onlyBefore: onlyBefore.map(entryFacts), onlyAfter: onlyAfter.map(entryFacts) };
}
