import { byteStringBytes } from "../../../src/bytes/index.ts";
import { regularFile, Tree } from "../../../src/tree/index.ts";
import {
  type Boot,
  type BootOptions,
  boot,
  type Disk,
  firstStage,
  moduleFile,
  type SimulatedKernel,
  type SimulatedModule,
  standardModules,
} from "../../support/simulated-kernel/index.ts";
import { type Image, makeImage } from "./image.ts";

export const PLAN_HEADER = "lazyrd-plan 1";
export const DRIVERS = ["pci:v00001AF4d* virtio_ring virtio_pci", "virtio:d00000002v* virtio_ring virtio_blk"];
/** What every machine here has: a virtio disk behind PCI. */
const PCI_DISK = {
  bus: "pci",
  name: "0000:00:02.0",
  modalias: "pci:v00001AF4d00001042sv00001AF4sd00001100bc01sc80i00",
};

/** What differs from a machine on which all goes well. Everything is optional. */
export interface Story extends Partial<Omit<BootOptions, "initrd" | "modules">> {
  readonly image?: Image;
  /** The steps behind the header, or null for no plan at all. */
  readonly plan?: readonly string[] | null;
  /** The whole plan file, instead of header and steps. */
  readonly planFile?: string;
  readonly drivers?: readonly string[];
  /** The virtio disk's name and ways. */
  readonly disk?: Partial<Disk>;
  readonly hasDisk?: boolean;
  /** Runs the first stage that has the steps for it. */
  readonly hasNetwork?: boolean;
  /** Names of modules that the first stage does not carry. */
  readonly missing?: readonly string[];
  readonly modules?: Readonly<Record<string, SimulatedModule<SimulatedKernel>>>;
  /** Changes the first root file system: what was appended to the initrd. */
  readonly append?: (tree: Tree) => void;
}

export const IMAGE = makeImage();
const PROGRAM = firstStage();
const PROGRAM_WITH_NETWORK = firstStage("init-network");

/** The steps of a plan that boots from `image`. */
export function planFor(image: Image): string[] {
  const { dataGuid, hashGuid, blocks, rootHash, salt } = image;
  return [
    "failure reboot after=5s",
    "modules sha256-ssse3 crc32c_generic libcrc32c erofs dm-mod dm-bufio reed_solomon dm-verity overlay",
    "coldplug pci virtio",
    `device data partuuid=${dataGuid} timeout=10s`,
    `device hash partuuid=${hashGuid} timeout=10s`,
    `verity root data=data hash=hash data-blocks=${blocks} root-hash=${rootHash} salt=${salt} hash-start=1 on-corruption=panic`,
    "mount root /lazyrd/image erofs",
    "overlay /lazyrd/new lower=/lazyrd/image",
    "forward /lazyrd/new",
    "switch /lazyrd/new /init",
  ];
}

/** The plan for `image` with each step changed by `change`: to another line, or to none or more than one. */
export function changedPlan(image: Image, change: (line: string) => string | readonly string[]): string[] {
  return planFor(image).flatMap(change);
}

/** The plan with the one line that begins with `verb` replaced. */
export function planWith(verb: string, ...lines: readonly string[]): string[] {
  return changedPlan(IMAGE, (line) => (line.startsWith(`${verb} `) ? lines : line));
}

/** Boots the machine of a story. */
export function tell(story: Story = {}): Boot {
  const { image = IMAGE, plan = planFor(image), disk, missing = [], append, ...rest } = story;
  const modules = { ...standardModules({ name: "vda", content: image.disk, ...disk }), ...story.modules };
  const tree = new Tree();
  const file = (text: string) => regularFile(byteStringBytes(text));
  tree.setWithParents("lazyrd/drivers", file((story.drivers ?? DRIVERS).map((line) => `${line}\n`).join("")));
  tree.set("init", regularFile(byteStringBytes("\x7fELF first stage"), { permissions: 0o755 }));
  if (plan !== null) {
    tree.set("lazyrd/plan", file(story.planFile ?? [PLAN_HEADER, ...plan].map((line) => `${line}\n`).join("")));
  }
  for (const name of Object.keys(modules).filter((name) => !missing.includes(name))) {
    tree.setWithParents(`lazyrd/modules/${name}.ko`, regularFile(moduleFile(name)));
  }
  append?.(tree);
  const hardware = (kernel: SimulatedKernel) => {
    if (story.hasDisk ?? true) kernel.buses.addDevice(PCI_DISK);
    story.hardware?.(kernel);
  };
  return boot(story.hasNetwork === true ? PROGRAM_WITH_NETWORK : PROGRAM, { ...rest, initrd: tree, modules, hardware });
}

/** The first stage's own lines in the kernel log, without their prefix. */
export function logOf(boot: Boot): string[] {
  return boot.kernel.log.records
    .filter(({ text }) => text.startsWith("lazyrd: "))
    .map(({ text }) => text.slice("lazyrd: ".length));
}

/** Everything that a person could have read: log and console. */
export function textOf(boot: Boot): string {
  return `${logOf(boot).join("\n")}\n${boot.kernel.log.console}`;
}
