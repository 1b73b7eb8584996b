import { beginDisks, deadlineAfter, disksSeen, findNode, findPartition, moreDevices, nextDisk } from "../disks";
import { guidFromDigits, parseGuid } from "../gpt";
import * as kernel from "../kernel";
import { Step } from "../plan";
import { because, compose, currentProblem, ERROR, outcome, problem, say } from "../report";
import { PATH_MAX, Text, Writer } from "../text";
import { listenForUevents } from "../uevents";
import { openImage, openNode, VerityImage } from "../verity-device";
import { readVeritySignature, signatureBytes, signedRootHash } from "../verity-signature";
import { dataBlocks, HASH_START, imageVersion, readVeritySuperblock, saltDigits } from "../verity-superblock";
import { compareVersions } from "../version";
import { DEFAULT_TIMEOUT_MS } from "./device";

/** UAPI.2: a partition's label is NAME_VERSION, with this behind it where it holds a signature. */
const LABEL_SUFFIX: string = "_verity-sig";
const UNDERSCORE: u8 = 0x5f;
const LABEL_CAPACITY: i32 = 36;

/** Images that a machine may have beside each other. More are not looked at. */
const MOST_IMAGES: i32 = 32;

const typeGuid = memory.data(16);
const partGuid = memory.data(16);
const dataNode = new Writer(PATH_MAX);
const hashNode = new Writer(PATH_MAX);
const scannedNode = new Writer(PATH_MAX);
const scannedLabel = new Writer(LABEL_CAPACITY);
/** The newest image of those not passed over so far. */
const bestNode = new Writer(PATH_MAX);
const bestLabel = new Writer(LABEL_CAPACITY);
/** An image that could not be opened, by the node of the partition with its signature. */
@final
class Passed {
  /** Its other partitions were not there: they may come. */
  isIncomplete: bool = false;
  isOfThisRound: bool = false;

  constructor(readonly node: Text) {}
}

const passedOver: Passed[] = [];
let isIncomplete: bool = false;
const key = new Writer(128);
const keyType = new Writer(8);
let tooOld: i32 = 0;

/**
 * `signed NAME type=GUID [label=NAME] [floor=VERSION] [timeout=Ns]` and the options of `verity` for what happens then:
 * opens the newest image whose root hash is signed by a key that the kernel trusts.
 */
export function signedStep(step: Step): bool {
  const type = step.option("type");
  if (step.word(1).length == 0 || type === null || !parseGuid(type, typeGuid)) {
    problem("the plan's line lacks a name or a valid type=");
    return false;
  }
  const timeoutMs = step.milliseconds("timeout", DEFAULT_TIMEOUT_MS);
  const deadline = deadlineAfter(timeoutMs);
  listenForUevents();
  passedOver.length = 0;
  do {
    for (let i = 0; i < passedOver.length; i++) passedOver[i].isOfThisRound = !passedOver[i].isIncomplete;
    while (findNewest(step)) {
      if (openNewest(step)) return true;
      passOver();
    }
  } while (moreDevices(deadline));
  let incomplete = 0;
  for (let i = 0; i < passedOver.length; i++) if (passedOver[i].isIncomplete) incomplete++;
  const report = problem("no signed image that may be used after ").number(timeoutMs / 1000).literal(" s: ");
  report.number(passedOver.length - incomplete).literal(" passed over, ").number(incomplete).literal(" without data or hashes, ");
  report.number(tooOld).literal(" labelled as older than the floor; disks seen: ").text(disksSeen());
  return false;
}

/** Leaves out the best image from now on, or for this round only where it may become complete. */
function passOver(): void {
  let passed = passedOf(bestNode.toText());
  if (passed === null) {
    passed = new Passed(bestNode.toText().copy());
    passedOver.push(passed);
  }
  passed.isIncomplete = isIncomplete;
  passed.isOfThisRound = true;
  if (isIncomplete) return;
  compose().text(passed.node).literal(" (").text(bestLabel.toText()).literal(") is passed over: ").text(currentProblem());
  say(ERROR);
}

function passedOf(node: Text): Passed | null {
  for (let i = 0; i < passedOver.length; i++) if (passedOver[i].node.same(node)) return passedOver[i];
  return null;
}

/** Looks at all disks for the image with the highest version in its label that was not passed over: it is the best then. */
function findNewest(step: Step): bool {
  const floor = step.option("floor");
  bestNode.reset();
  tooOld = 0;
  beginDisks();
  for (let table = nextDisk(); table !== null; table = nextDisk()) {
    while (table.next()) {
      if (!table.hasType(typeGuid)) continue;
      table.writeLabel(scannedLabel.reset());
      if (!isMeant(step, scannedLabel.toText()) || !findNode(scannedNode) || isLeftOut(scannedNode.toText())) continue;
      const version = versionOf(scannedLabel.toText());
      if (floor !== null && compareVersions(version, floor) < 0) {
        tooOld++;
      } else if (bestNode.length == 0 || compareVersions(version, versionOf(bestLabel.toText())) > 0) {
        bestNode.reset().text(scannedNode.toText());
        bestLabel.reset().text(scannedLabel.toText());
      }
    }
  }
  return bestNode.length > 0;
}

function isMeant(step: Step, label: Text): bool {
  const wanted = step.option("label");
  if (wanted === null) return true;
  const end = endOfName(label);
  return end > 0 && label.slice(0, end).same(wanted);
}

function isLeftOut(node: Text): bool {
  const passed = passedOf(node);
  return passed === null ? passedOver.length == MOST_IMAGES : passed.isOfThisRound;
}

/** The version in a label; empty when it has none. Nobody vouches for it: it is only the order in which to try. */
function versionOf(label: Text): Text {
  const end = endOfName(label);
  return end < 0 ? new Text(0, 0) : label.slice(end + 1, label.length - LABEL_SUFFIX.length);
}

/** Where the underscore before the version stands, or -1. Versions have none. */
function endOfName(label: Text): i32 {
  let end = label.length - LABEL_SUFFIX.length;
  if (end <= 0 || !label.slice(end, label.length).equals(LABEL_SUFFIX)) return -1;
  while (end > 0) if (label.at(--end) == UNDERSCORE) return end;
  return -1;
}

/** Opens the best image, if its signature is good and its version not below the floor. */
function openNewest(step: Step): bool {
  isIncomplete = false;
  if (!readSignature()) return false;
  const rootHash = signedRootHash();
  // UAPI.2: the GUIDs of the two partitions are the halves of the root hash.
  if (!findHalf(rootHash.slice(0, 32), dataNode) || !findHalf(rootHash.slice(32, 64), hashNode)) return false;
  if (!readSuperblock()) return false;
  const floor = step.option("floor");
  if (floor !== null && !isNewEnough(floor)) return false;
  if (!handOverSignature(step.word(1))) return false;
  const salt = saltDigits();
  const image = new VerityImage(step.word(1), dataNode.toText(), hashNode.toText(), dataBlocks(), HASH_START, rootHash, salt, key.toText());
  if (openImage(image, step) === null) return false;
  outcome().literal(" of ").text(bestLabel.toText());
  return true;
}

function readSignature(): bool {
  const file = openNode(bestNode.toText());
  if (file < 0) return false;
  const isRead = readVeritySignature(file);
  kernel.close(file);
  return isRead;
}

function readSuperblock(): bool {
  const file = openNode(hashNode.toText());
  if (file < 0) return false;
  const isRead = readVeritySuperblock(file);
  kernel.close(file);
  return isRead;
}

function findHalf(digits: Text, node: Writer): bool {
  guidFromDigits(digits, partGuid);
  isIncomplete = !findPartition(partGuid, node);
  return !isIncomplete;
}

/**
 * The version stands in the salt, and the root hash is one over the salt: when the image opens, with this salt and a
 * signature that the kernel accepts, the version is as genuine as the image.
 */
function isNewEnough(floor: Text): bool {
  const version = imageVersion();
  if (version.length > 0 && compareVersions(version, floor) >= 0) return true;
  if (version.length == 0) problem("the image names no version, and the plan wants at least ").text(floor);
  else problem("the image is version ").text(version).literal(", older than ").text(floor).literal(", the plan's floor");
  return false;
}

/** In a keyring of this program alone, which ends with it; the same name takes the place of an earlier one. */
function handOverSignature(name: Text): bool {
  const signature = signatureBytes();
  keyType.reset().literal("user");
  key.reset().literal("lazyrd:").text(name);
  const ring = kernel.KEY_SPEC_THREAD_KEYRING;
  const result = kernel.addKey(keyType.path(), key.path(), signature.start, signature.length, ring);
  return result >= 0 || because(problem("cannot hand the signature to the kernel"), result);
}
