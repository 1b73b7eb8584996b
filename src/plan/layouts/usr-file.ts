import { UsageError } from "../../bytes/index.ts";
import type { FeatureName } from "../../kernel/index.ts";
import { step } from "../step.ts";
import type { PlanStep } from "../types.ts";
import { FOLDER, imageFileName } from "./boot.ts";
import { fileSteps } from "./file.ts";
import { requireOnly } from "./settings.ts";
import type { Layout, LayoutOptions, LocationSettings } from "./types.ts";
import { IMAGE_MOUNT, imageMountStep, NEW_ROOT, reactions } from "./verified.ts";

const USR = "usr";
const MOUNT = "/lazyrd/usr";
/** Where the image's /usr is laid over the machine's. */
const LAID_OVER = "/lazyrd/laid-over";
const DEFAULT_FOLDER = "/lib/lazyrd";
/** Where systemd looks for a /usr that was mounted before the root file system (bootup(7), initrd-usr-fs.target). */
const PLACE_IN_INITRD = "/sysusr/usr";

/** What /usr may be, and with which options it is mounted: nothing is written, and dm-verity stands below. */
const FILE_SYSTEMS: Readonly<Record<string, { readonly features: readonly FeatureName[]; readonly options?: string }>> =
  {
    erofs: { features: [] },
    squashfs: { features: ["squashfs"] },
    ext4: { features: ["ext4"], options: "noload" },
    btrfs: { features: ["btrfs"], options: "rescue=nologreplay" },
  };

/** The image as a file in /usr, which is verified and mounted once, and handed on to the initrd in the image. */
export function usrFileLayout(settings: LocationSettings): Layout {
  requireOnly("usr-file", settings, ["usr", "file-system", "folder"]);
  const fileSystem = settings["file-system"] === "" ? "erofs" : settings["file-system"];
  const type = FILE_SYSTEMS[fileSystem];
  if (settings.usr === "" || type === undefined) {
    throw new UsageError('Cannot use the layout "usr-file": it needs [location] usr, and to know its file system', {
      hint: `usr = "usr.raw" names a disk image with /usr and its hashes; file-system is one of ${Object.keys(FILE_SYSTEMS).join(", ")}`,
    });
  }
  const folder = settings.folder === "" ? DEFAULT_FOLDER : settings.folder;
  if (!FOLDER.test(folder)) {
    throw new UsageError(`Cannot use [location] folder = ${JSON.stringify(folder)}`, {
      hint: 'write it as it is below /usr: "/lib/lazyrd"',
    });
  }
  const mountAt = (target: string, reason: string): PlanStep =>
    step(
      "mount",
      [USR, target, fileSystem, ...(type.options === undefined ? [] : [`options=${type.options}`])],
      [reason],
    );
  return {
    name: "usr-file",
    features: ["loop", ...type.features],
    findsSignedImages: false,
    needsDrivers: true,
    laidOver: { path: USR, images: folder.slice(1), fileSystem },
    place: (image) => ({ kind: "usr", fileSystem, path: `${folder}/${imageFileName(image)}` }),
    steps: (image, options) => [
      ...usrSteps(options),
      mountAt(MOUNT, "/usr"),
      ...fileSteps(`${MOUNT}${folder}/${imageFileName(image)}`, image, options),
      imageMountStep(image),
      ...(options.isLayer ? [layerStep()] : []),
    ],
    lastSteps: ({ isLayer }) => [
      ...(isLayer
        ? [step("move", [LAID_OVER, `${NEW_ROOT}/${USR}`], ["what the image has left out comes from /usr"])]
        : []),
      step(
        "mount",
        ["none", `${NEW_ROOT}/sysusr`, "tmpfs", "options=mode=0755"],
        ["a place for /usr beside the image's"],
      ),
      isLayer
        ? mountAt(`${NEW_ROOT}${PLACE_IN_INITRD}`, "the same file system once more: the initrd takes it over")
        : step(
            "move",
            [MOUNT, `${NEW_ROOT}${PLACE_IN_INITRD}`],
            ["/usr is verified and mounted: the initrd takes it over"],
          ),
    ],
  };
}

/** Before the root directory is made: that takes the image's own mount. This takes the one of /usr. */
function layerStep(): PlanStep {
  const lower = `lower=${IMAGE_MOUNT}/${USR}:${MOUNT}`;
  return step("overlay", [LAID_OVER, lower], ["the image's /usr holds only what differs from the machine's"]);
}

function usrSteps(options: LayoutOptions): PlanStep[] {
  const { usr, timeoutSeconds } = options;
  if (usr === undefined) throw new Error("the layout usr-file is compiled without a /usr");
  const timeout = `timeout=${timeoutSeconds}s`;
  const { dataPartition, hashPartition, dataBlocks, hashStartBlock, rootHash, salt } = usr;
  return [
    step("device", ["usr-data", `partuuid=${dataPartition}`, timeout], ["/usr: first half of its root hash"]),
    step("device", ["usr-hash", `partuuid=${hashPartition}`, timeout], ["/usr: second half of its root hash"]),
    step(
      "verity",
      [
        ...[USR, "data=usr-data", "hash=usr-hash", `data-blocks=${dataBlocks}`, `hash-start=${hashStartBlock}`],
        ...[`root-hash=${rootHash}`, `salt=${salt}`, ...reactions(options)],
      ],
      ["the root hash authenticates every byte of /usr"],
    ),
  ];
}
