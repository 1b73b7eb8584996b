import { UsageError } from "../bytes/index.ts";
import { type Architecture, verityPartitionTypeGuid } from "../formats/gpt/index.ts";
import { rootHashChecks } from "../kernel/index.ts";
import type { Layout, SignedImages } from "../plan/index.ts";
import { compareVersions } from "../text/index.ts";
import type { BuildConfig } from "./config.ts";

/** What decides whether a plan can do without a root hash. */
export interface SigningConditions {
  readonly config: Pick<BuildConfig, "image" | "image-signature">;
  readonly architecture: Architecture;
  readonly layout: Layout;
  readonly isSigned: boolean;
}

/**
 * What the plan has to know where any image with a signature may boot; undefined where the root hash stands in it.
 * @throws UsageError for settings with which not even the image of this build would boot.
 */
export function signedImagesOf(conditions: SigningConditions): SignedImages | undefined {
  const { config, architecture, layout, isSigned } = conditions;
  const { required, floor } = config["image-signature"];
  const { name, version } = config.image;
  if (!required) {
    if (floor === "") return undefined;
    throw new UsageError("Cannot use image-signature.floor: the plan names one image, and no other one boots", {
      hint: "set image-signature.required = true for plans that take any signed image, or leave the floor out",
    });
  }
  const refuse = (why: string, hint: string): never => {
    throw new UsageError(`Cannot require signatures of images: ${why}`, { hint });
  };
  if (!layout.findsSignedImages)
    refuse(`the layout "${layout.name}" finds none`, 'use layout = "partition", "system" or "usr"');
  if (!isSigned) refuse("this one would have none", "set key or signer, and certificate, in [image-signature]");
  if (version === "") refuse("this one has no version", "set image.version: the newest image is tried first");
  if (floor !== "" && compareVersions(version, floor) < 0) {
    refuse(`this one, ${version}, is older than the floor ${floor}`, "raise image.version, or lower the floor");
  }
  const signatureType = verityPartitionTypeGuid({
    architecture,
    designator: layout.designator ?? "root",
    role: "verity-sig",
  });
  return { signatureType, label: name, floor };
}

/**
 * Finds out when building whether the kernel would check the signature of a root hash, and with which keys.
 * @param module the file of dm_verity, undefined where that is built in
 * @returns what a person should know all the same
 * @throws UsageError when it would refuse any image.
 */
export function checkRootHashConditions(
  module: Uint8Array | undefined,
  keyring: BuildConfig["image-signature"]["keyring"],
  release: string,
): string[] {
  if (module === undefined) {
    return [`dm-verity is built into kernel ${release}: whether it checks signatures of root hashes is not known`];
  }
  const { checksSignatures, trustsPlatform } = rootHashChecks(module);
  const refuse = (lack: string, hint: string): never => {
    throw new UsageError(`Cannot require signatures of images with kernel ${release}: its dm_verity lacks ${lack}`, {
      hint,
    });
  };
  if (!checksSignatures) refuse("CONFIG_DM_VERITY_VERIFY_ROOTHASH_SIG", "use another kernel");
  if (keyring === "platform" && !trustsPlatform) {
    refuse(
      "CONFIG_DM_VERITY_VERIFY_ROOTHASH_SIG_PLATFORM_KEYRING, so that keys in Secure Boot's db do not count",
      'use another kernel, or set image-signature.keyring = "machine" (machine owner keys, shim) or "builtin"',
    );
  }
  return [];
}
