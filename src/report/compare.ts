import type { BootReport, Difference, EntryChanges, EntryUse, ImageUse, TimeChange } from "./types.ts";

/** What is different in `after`. */
export function compareBoots(before: BootReport, after: BootReport): Difference {
  return {
    before: before.letter,
    after: after.letter,
    sameImage: before.boot.rootHash === after.boot.rootHash,
    sameKernel: before.boot.kernelRelease === after.boot.kernelRelease,
    stages: changesOf(
      before.stages.map(({ title, startNs, endNs }) => ({ name: title, ns: endNs - startNs })),
      after.stages.map(({ title, startNs, endNs }) => ({ name: title, ns: endNs - startNs })),
    ),
    steps: changesOf(stepTimes(before), stepTimes(after)),
    entries: entryChanges(before.image, after.image),
  };
}

interface Time {
  readonly name: string;
  readonly ns: number;
}

/** A verb that comes several times is numbered from the second on. */
function stepTimes({ steps }: BootReport): Time[] {
  const counts = new Map<string, number>();
  return steps.map(({ verb, startNs, endNs }) => {
    const count = (counts.get(verb) ?? 0) + 1;
    counts.set(verb, count);
    return { name: count === 1 ? verb : `${verb} (${count})`, ns: endNs - startNs };
  });
}

function changesOf(before: readonly Time[], after: readonly Time[]): TimeChange[] {
  const afterByName = new Map(after.map(({ name, ns }) => [name, ns]));
  const beforeNames = new Set(before.map(({ name }) => name));
  const changes: TimeChange[] = [
    ...before.map(({ name, ns }) => ({ name, beforeNs: ns, afterNs: afterByName.get(name) })),
    ...after
      .filter(({ name }) => !beforeNames.has(name))
      .map(({ name, ns }) => ({ name, beforeNs: undefined, afterNs: ns })),
  ];
  return changes.sort((a, b) => Math.abs(changeOf(b)) - Math.abs(changeOf(a)));
}

/** How much longer it takes; what is not there takes no time. */
export function changeOf({ beforeNs = 0, afterNs = 0 }: TimeChange): number {
  return afterNs - beforeNs;
}

function entryChanges(before: ImageUse, after: ImageUse): EntryChanges | undefined {
  if (!("entries" in before.content) || !("entries" in after.content)) return undefined;
  const [readBefore, readAfter] = [readEntries(before.content.entries), readEntries(after.content.entries)];
  return { onlyBefore: notIn(readBefore, readAfter), onlyAfter: notIn(readAfter, readBefore) };
}

function readEntries(entries: readonly EntryUse[]): Map<string, EntryUse> {
  return new Map(entries.filter(({ readContentBytes }) => readContentBytes > 0).map((entry) => [entry.path, entry]));
}

function notIn(entries: ReadonlyMap<string, EntryUse>, others: ReadonlyMap<string, EntryUse>): EntryUse[] {
  return [...entries.values()]
    .filter(({ path }) => !others.has(path))
    .sort((a, b) => b.readContentBytes - a.readContentBytes || (a.path < b.path ? -1 : 1));
}
