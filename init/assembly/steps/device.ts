import { addDevice } from "../devices";
import { deadlineAfter, disksSeen, findPartition, moreDevices } from "../disks";
import { parseGuid } from "../gpt";
import { Step } from "../plan";
import { outcome, problem } from "../report";
import { PATH_MAX, Writer } from "../text";
import { listenForUevents } from "../uevents";
import { modulesLoaded } from "./modules";

export const DEFAULT_TIMEOUT_MS: i32 = 10_000;

const guid = memory.data(16);
const node = new Writer(PATH_MAX);

/**
 * `device NAME partuuid=UUID timeout=Ns`: loads drivers until the partition is there, waits for it when none is left to
 * load, and gives it a name.
 */
export function deviceStep(step: Step): bool {
  const name = step.word(1);
  const uuid = step.option("partuuid");
  if (uuid === null || !parseGuid(uuid, guid)) {
    problem("the plan names no valid partuuid=");
    return false;
  }
  const timeoutMs = step.milliseconds("timeout", DEFAULT_TIMEOUT_MS);
  const deadline = deadlineAfter(timeoutMs);
  const modulesBefore = modulesLoaded();
  listenForUevents();
  while (!findPartition(guid, node)) {
    if (moreDevices(deadline)) continue;
    const report = problem("no partition with PARTUUID ").text(uuid).literal(" after ").number(timeoutMs / 1000);
    report.literal(" s; disks seen: ").text(disksSeen());
    return false;
  }
  const device = addDevice(name, node.toText());
  outcome().text(name).literal(" is ").text(device.node);
  const loaded = modulesLoaded() - modulesBefore;
  if (loaded > 0) outcome().literal(", ").number(loaded).literal(" modules loaded");
  return true;
}
